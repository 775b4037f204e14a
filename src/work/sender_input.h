// What the sender's commands read, and the signals that may end them meanwhile.
#pragma once

#include <poll.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sys/signals.h"
#include "sys/unique_fd.h"

namespace penstock::work {

// From here on a signal that asks us to end is an Error at the next place where it can be told what
// it costs: before each block, and wherever something is waited for.
class EndSignals {
 public:
  // Returns when `fd` is ready for `events`.
  void wait_for(int fd, short events) const;
  void sleep(std::chrono::milliseconds time) const;

 private:
  void wait(std::span<pollfd> entries, int milliseconds) const;
  static sys::SignalFd blocked();

  sys::SignalFd signals_ = blocked();
};

// The payload, read block by block.
class Input {
 public:
  // "-" is standard input; nothing, no payload. Opening a FIFO waits for its writer, so the signals
  // are left alone until then.
  explicit Input(const std::optional<std::string>& name);

  // Empty at the end.
  std::span<const uint8_t> next(const EndSignals& signals);
  // -1 where there is none.
  int fd() const { return fd_; }
  const std::string& name() const { return name_; }

 private:
  sys::UniqueFd file_;
  int fd_ = -1;
  std::string name_;
  std::vector<uint8_t> block_;
};

}  // namespace penstock::work
