// Passes on what comes through a pipe, each line with a word before it, so that lines of many
// writers can be told apart and are never mixed.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "sys/event_loop.h"
#include "sys/unique_fd.h"

namespace penstock::work {

class LinePrefixer {
 public:
  // Reads `from` as it comes and writes to `to`, which is borrowed and may block. A line of more
  // than 64 KiB is passed on in parts. Where `to` cannot be written any more, `from` is closed; so
  // it is where `to` takes nothing for a while and `may_wait`, asked each 100 ms, says no.
  LinePrefixer(sys::EventLoop& loop, sys::UniqueFd from, int to, std::string prefix,
               std::function<bool()> may_wait);

  bool is_at_end() const { return !watch_; }
  // Takes what is there now, without waiting for more, and passes on the last line even if it is
  // not ended.
  void finish();
  // For a forked copy of this process: closes its copy of the pipe, and nothing else.
  void close_copy() const;

 private:
  bool take();
  void pass_on(size_t size);
  bool write(std::string_view out) const;
  void end();

  sys::UniqueFd from_;
  int to_;
  std::string prefix_;
  std::function<bool()> may_wait_;
  std::string text_;
  std::optional<sys::Watch> watch_;
};

}  // namespace penstock::work
