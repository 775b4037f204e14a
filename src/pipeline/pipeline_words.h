// A pipeline given as words (`penstock run gpg -d '|' zstdcat`): no shell has a part in it, so a
// word is what it is.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "pipeline/stage.h"

namespace penstock::pipeline {

// Cut at each word that is exactly "|". Nothing else is interpreted, redirections neither. Throws
// Error ("stage 2 is empty") where a stage has no word.
std::vector<StageSpec> split_at_pipes(std::span<const std::string> words);

}  // namespace penstock::pipeline
