#include "pipeline/pipeline_words.h"

#include "base/error.h"
#include "base/text.h"

namespace penstock::pipeline {

std::vector<StageSpec> split_at_pipes(std::span<const std::string> words) {
  std::vector<StageSpec> stages(1);
  for (const std::string& word : words) {
    if (word == "|") {
      stages.emplace_back();
    } else {
      stages.back().argv.push_back(word);
    }
  }
  for (size_t i = 0; i < stages.size(); ++i) {
    if (stages[i].argv.empty()) throw Error(cat("stage ", i + 1, " is empty"));
  }
  return stages;
}

}  // namespace penstock::pipeline
