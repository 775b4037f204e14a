// Reads the header of a job: exactly its bytes, never one of the payload; through a filter more,
// which that gives again.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "packet/header.h"
#include "pipeline/engine.h"
#include "pipeline/upstream.h"

namespace penstock::pipeline {

// Straight from a descriptor, which then stands at the first byte of the payload. Throws
// packet::BadHeader, or Error if it cannot be read.
packet::HeaderReader read_header(int fd, std::string_view name);

// The same from a regular file, by one pread where the header is as small as usual; the position
// stays where it is.
packet::HeaderReader read_file_header(int fd, std::string_view name);

// Through a decoder, by events.
class HeaderRead {
 public:
  enum class Result {
    pending,
    ok,
    undecodable,   // no header came out: reason() says why, as far as is known
    cannot_start,  // a stage could not be started, or $SHELL ended with 126 or 127
    timed_out,
  };

  // Borrows the upstream, whose listener it becomes until it is done. `limit` does not count while
  // a terminal is there or a pinentry runs.
  HeaderRead(Engine& engine, const Options& options, Upstream& upstream,
             std::optional<std::chrono::milliseconds> limit, std::function<void()> done);
  HeaderRead(const HeaderRead&) = delete;
  HeaderRead& operator=(const HeaderRead&) = delete;

  // Where no stage is a process there is nothing to wait for. `done` is called before it returns.
  void read_at_once() { take_bytes(); }

  Result result() const { return result_; }
  const std::string& reason() const { return reason_; }
  // undecodable: whether the decoder string itself is at fault, for any file alike.
  bool decoder_is_at_fault() const { return decoder_is_at_fault_; }
  // undecodable: the filter had something, and no header came of it. The tool in whose place it is
  // may know more formats, gives out more of what is cut, and has words of its own.
  bool wants_tool() const { return wants_tool_; }
  const packet::Metadata& metadata() const { return reader_.metadata(); }
  const packet::HeaderReader& header() const { return reader_; }

 private:
  void take_bytes();
  bool feed_some();
  void fail(std::string why);
  void stages_changed();
  void finish(Result result, std::string reason);
  void explain();
  void time_is_up();

  Engine& engine_;
  const Options& options_;
  Upstream& upstream_;
  std::optional<std::chrono::milliseconds> limit_;
  std::function<void()> done_;
  Result result_ = Result::pending;
  std::string reason_;
  bool decoder_is_at_fault_ = false;
  bool wants_tool_ = false;
  size_t units_ = 0;                // that a filter was asked for
  std::optional<std::string> bad_;  // the header's own fault, once known
  packet::HeaderReader reader_;
  std::optional<sys::Watch> watch_;
  sys::Timer limit_timer_;
  sys::Timer left_behind_timer_;
};

}  // namespace penstock::pipeline
