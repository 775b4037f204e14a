// What lies before the command: the decoder's stages between a job file and a read end of ours. It
// knows nothing of the command, so a scan uses it as well as a run does.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/engine.h"
#include "pipeline/filtered_input.h"
#include "pipeline/options.h"
#include "pipeline/stages.h"
#include "pipeline/stderr_tap.h"
#include "pipeline/verdict.h"
#include "sys/pipe.h"

namespace penstock::pipeline {

class Upstream {
 public:
  struct Config {
    std::vector<StageSpec> stages;  // at least one, or a filter
    sys::UniqueFd input;            // the first one's stdin; none: it inherits ours
    // The last stage, where that is no process. It reads the last one's output, or `input`.
    std::unique_ptr<FilteredInput> filter;
    // Under `--gate eof` the last stage writes straight into the command's pipe, which must have
    // its full size before the first stage is there.
    bool feeds_command = false;
    // None: stderr is inherited.
    std::optional<Forward> tap = Forward::yes;
  };

  Upstream(Engine& engine, const Options& options, Config config);
  Upstream(const Upstream&) = delete;
  Upstream& operator=(const Upstream&) = delete;
  ~Upstream() { engine_.budget.give_back(output_size_); }

  size_t count() const { return count_; }
  Stages& processes() { return processes_; }
  const Stages& processes() const { return processes_; }
  // Our end of the last pipe, or the input itself where no stage is a process; -1 once taken or
  // retired.
  int read_end() const { return output_.get(); }
  sys::UniqueFd take_read_end() { return std::move(output_); }
  // What is to be read through; null if there is none, or once taken.
  FilteredInput* filter() { return filter_.get(); }
  std::unique_ptr<FilteredInput> take_filter() { return std::move(filter_); }
  // For whoever gives it back to the budget.
  size_t take_output_size() { return std::exchange(output_size_, 0); }
  StderrTap* tap() { return tap_ ? &*tap_ : nullptr; }

  bool all_over() const { return processes_.all_over(0, count_); }
  Verdict verdict(const Options& options, LastReader reader) const;
  // "start gpg: No such file or directory", if a stage could not be started.
  std::optional<std::string> start_failure() const;

  // Nobody wants the rest: our read end is closed, so that the stages end by SIGPIPE; after a
  // second those that live on are asked to end, and then made to, and so is a writer that they left
  // behind. Over when is_gone().
  void retire();
  // Whether a retired one is gone. With the keeper dead, ends its tree here.
  bool is_gone();

 private:
  Engine& engine_;
  size_t count_;
  sys::UniqueFd output_;
  std::unique_ptr<FilteredInput> filter_;
  size_t output_size_ = 0;
  std::optional<StderrTap> tap_;
  Stages processes_;
  std::unique_ptr<sys::Timer> retire_timer_;
  bool told_stuck_ = false;
};

// "start gpg: No such file or directory"
std::string start_failure(const Stages::Stage& stage);

// A living process among all others that holds the pipe of our read end `fd` open for writing (or,
// with `writes` false, the pipe of our write end for reading): "sleep 4711". Nothing if none can be
// seen.
std::optional<std::string> holder_of(int fd, bool writes);

}  // namespace penstock::pipeline
