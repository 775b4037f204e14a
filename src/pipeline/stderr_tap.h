// The stderr of a pipeline's stages: always drained, passed on byte for byte or kept quiet, its end
// kept for a report.
#pragma once

#include <optional>
#include <string>

#include "sys/event_loop.h"
#include "sys/pipe.h"

namespace penstock::pipeline {

enum class Forward { yes, no };

class StderrTap {
 public:
  static constexpr size_t kKeptBytes = 4096;

  StderrTap(sys::EventLoop& loop, Forward forward);

  // For the stages; closed here by close_writer() once all have it.
  int writer() const { return pipe_.write.get(); }
  void close_writer() { pipe_.write.reset(); }
  // What is there now, without waiting: a process left behind may hold the pipe for ever (R12).
  void drain();
  // From now on bytes are passed on, and so is what was kept so far.
  void forward_all();
  // The last kKeptBytes.
  const std::string& tail() const { return tail_; }
  // The last line that is not blank, for a sentence; printable. Several stages share the pipe: a
  // line that begins with the name of `program` goes before later ones of others.
  std::string last_words(const std::string& program = {}) const;

 private:
  bool take_some();

  sys::Pipe pipe_;
  Forward forward_;
  std::string tail_;
  std::optional<sys::Watch> watch_;
};

}  // namespace penstock::pipeline
