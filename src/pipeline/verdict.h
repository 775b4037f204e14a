// Whether what lay upstream of a command has succeeded. Pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sys/exit_status.h"

namespace penstock::pipeline {

struct StageEnd {
  std::string name;                       // of the program, for the sentence
  std::optional<sys::ExitStatus> status;  // nothing while it runs
};

struct Verdict {
  enum class Kind { pending, good, bad } kind = Kind::pending;
  size_t stage = 0;      // bad: the first that failed, in the order of the pipeline
  std::string sentence;  // bad: "gpg exited 2"

  bool operator==(const Verdict&) const = default;
};

enum class LastReader {
  reads_to_the_end,  // us, or a command that has not ended
  ended_well,        // stopped reading early, and exited 0
};

// Every stage must have exited 0, or with one of `also_good`. Excused is one that was killed by
// SIGPIPE and whose reader exited 0 (`yes | head -1`): the next stage, or behind the last one
// `reader`. Bad before pending: one failure decides.
Verdict judge(std::span<const StageEnd> stages, std::span<const int> also_good, LastReader reader);

}  // namespace penstock::pipeline
