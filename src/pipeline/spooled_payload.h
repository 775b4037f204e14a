// `--verify before`: the payload, whole, in a file without a name (or, up to 1 MiB, in sealed
// memory), so that the command is started only once it has been proved, and is fed from those very
// bytes.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>

#include "pipeline/seal_check.h"
#include "sys/event_loop.h"
#include "sys/unique_fd.h"

namespace penstock::pipeline {

class SpooledPayload {
 public:
  // Larger ones go to a file.
  static constexpr size_t kInMemory = 1UL << 20U;

  struct Config {
    int source = -1;                   // borrowed; read to its end
    std::string directory;             // where the file without a name is made
    uint64_t at_least = 0;             // free space that must be there from the start
    std::optional<packet::Seal> seal;  // checked against the bytes as they are stored
    std::optional<uint64_t> most;      // bytes that the source may give
    std::string name;                  // of the source, for errors
  };
  // Throws MeansMissing if there is too little space, or no seal can be checked. `done` is called
  // in the loop's thread.
  SpooledPayload(sys::EventLoop& loop, Config config, std::function<void()> done);
  SpooledPayload(const SpooledPayload&) = delete;
  SpooledPayload& operator=(const SpooledPayload&) = delete;
  ~SpooledPayload();

  bool is_done() const { return done_.load(); }
  // Once done: why it failed, or empty.
  std::string error() const;
  // What is at fault then.
  enum class Fault { payload, seal, size, means };
  Fault fault() const { return fault_.load(); }
  uint64_t size() const { return size_.load(); }
  // Once done and good: the bytes, from the file's start.
  sys::UniqueFd take() { return std::move(file_); }

 private:
  void run();
  void copy();
  void store(std::span<const uint8_t> bytes);

  Config config_;
  sys::Wakeup wakeup_;
  sys::UniqueFd stop_event_;
  std::atomic<bool> stop_ = false;
  std::atomic<bool> done_ = false;
  std::atomic<Fault> fault_ = Fault::payload;
  std::atomic<uint64_t> size_ = 0;
  mutable std::mutex mutex_;
  std::string error_;
  sys::UniqueFd file_;
  bool in_memory_ = true;
  std::optional<SealCheck> seal_check_;
  std::thread thread_;
};

}  // namespace penstock::pipeline
