#include "pipeline/pipeline_words.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace penstock::pipeline {
namespace {

using Words = std::vector<std::string>;

std::string error_of(const Words& words) {
  try {
    split_at_pipes(words);
  } catch (const Error& error) {
    return error.message();
  }
  return "none";
}

TEST(PipelineWords, CutsAtPipes) {
  EXPECT_EQ(split_at_pipes(Words{"gpg", "-d", "|", "zstdcat"}),
            (std::vector<StageSpec>{{.argv = {"gpg", "-d"}}, {.argv = {"zstdcat"}}}));
}

TEST(PipelineWords, InterpretsNothingElse) {
  const Words words = {"tr", "||", "a|b", "", "2>&1", "<", "x y"};
  EXPECT_EQ(split_at_pipes(words), std::vector<StageSpec>{{.argv = words}});
}

TEST(PipelineWords, NamesAnEmptyStage) {
  EXPECT_EQ(error_of({}), "stage 1 is empty");
  EXPECT_EQ(error_of({"|", "cat"}), "stage 1 is empty");
  EXPECT_EQ(error_of({"cat", "|", "|", "cat"}), "stage 2 is empty");
  EXPECT_EQ(error_of({"cat", "|"}), "stage 2 is empty");
}

}  // namespace
}  // namespace penstock::pipeline
