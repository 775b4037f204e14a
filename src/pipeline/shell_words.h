// The part of shell grammar that sh, dash, bash and ksh read alike: words, quotes, '|' and simple
// redirections. Whatever lies outside of it is refused rather than guessed at, so that a shell can
// be asked instead.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/stage.h"

namespace penstock::pipeline {

// A line read as a pipeline, or why it was not.
struct ShellPipeline {
  std::vector<StageSpec> stages;  // each has at least one word; none where the line was refused
  std::string refusal;  // for people, to stand behind "because"; empty where the line was read

  bool was_read() const { return refusal.empty(); }
};

// Grammar only: whether a stage's first word names a program is the caller's question. Newlines at
// the end are ignored.
ShellPipeline read_pipeline(std::string_view line);

}  // namespace penstock::pipeline
