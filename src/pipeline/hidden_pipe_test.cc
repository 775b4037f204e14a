#include "pipeline/hidden_pipe.h"

#include <gtest/gtest.h>

namespace penstock::pipeline {
namespace {

using Words = std::vector<std::string>;

TEST(HiddenPipe, IsSeenOutsideOfQuotes) {
  for (const char* text :
       {"a | b", "a|b", "a |& b", "a || b | c", "x=$y; a '|' | b", "a \\\\| b"}) {
    EXPECT_TRUE(has_pipe(text, "sh")) << text;
  }
  for (const char* text :
       {"", "a || b", "a '|' b", "a \"|\" b", "a \\| b", "a >| b", "a \"$x|\"", "a \"\\\"|\""}) {
    EXPECT_FALSE(has_pipe(text, "sh")) << text;
  }
}

TEST(HiddenPipe, IsAssumedWhereQuotesAreUncertain) {
  for (const char* text : {"x \"$(a | b)\"", "x \"`a | b`\"", "a '|", "cat # it's '|'",
                           "a <<E\n'|'\nE", "a $'\\'|'", "a 'it\\'s | b'"}) {
    EXPECT_TRUE(has_pipe(text, "fish")) << text;
  }
  EXPECT_FALSE(has_pipe("x \"$(a || b)\"", "sh"));
  EXPECT_TRUE(has_pipe("a 2>| b", "fish"));
}

TEST(HiddenPipe, IsFoundInAShellThatACommandCalls) {
  EXPECT_TRUE(hides_pipe({"bash", "-c", "a | b"}));
  EXPECT_TRUE(hides_pipe({"/bin/sh", "-ec", "a | b"}));
  EXPECT_TRUE(hides_pipe({"bash", "-c", "-e", "--", "a | b"}));
  EXPECT_TRUE(hides_pipe({"bash", "--norc", "--rcfile", "x", "-O", "extglob", "-c", "a | b"}));
  EXPECT_TRUE(hides_pipe({"nice", "-n", "5", "sudo", "zsh", "-c", "a | b"}));
  EXPECT_TRUE(hides_pipe({"sh", "-c", "x && sh -c 'a | b'"}));
  EXPECT_TRUE(hides_pipe({"bash", "-o", "pipefail", "+o", "pipefail", "-c", "a | b"}));

  EXPECT_FALSE(hides_pipe({"bash", "-c", "a"}));
  EXPECT_FALSE(hides_pipe({"bash", "a | b"}));
  EXPECT_FALSE(hides_pipe({"bash", "-c"}));
  EXPECT_FALSE(hides_pipe({"grep", "a | b"}));
  EXPECT_FALSE(hides_pipe(Words{}));
}

TEST(HiddenPipe, IsFineWithPipefail) {
  EXPECT_FALSE(hides_pipe({"bash", "-o", "pipefail", "-c", "a | b"}));
  EXPECT_FALSE(hides_pipe({"bash", "-euo", "pipefail", "-c", "a | b"}));
  EXPECT_FALSE(hides_pipe({"bash", "-co", "pipefail", "a | b"}));
  EXPECT_FALSE(hides_pipe({"bash", "-c", "set -o pipefail; a | b"}));
  EXPECT_FALSE(hides_pipe({"bash", "-c", " set -euo pipefail && a | b"}));

  EXPECT_TRUE(hides_pipe({"bash", "-c", "set -o pipefail || true; a | b"}));
  EXPECT_TRUE(hides_pipe({"bash", "-c", "set -no pipefail; a | b"}));
  EXPECT_TRUE(hides_pipe({"bash", "-c", "echo set -o pipefail; a | b"}));
  EXPECT_TRUE(hides_pipe({"bash", "-o", "pipefail", "-c", "sh -c 'a | b'"}));
}

TEST(HiddenPipe, KnowsACallOfAShell) {
  EXPECT_TRUE(calls_shell({"sh", "-c", "x"}));
  EXPECT_TRUE(calls_shell({"timeout", "5", "/usr/bin/fish", "-c", "x"}));
  EXPECT_FALSE(calls_shell({"sh", "script", "-c", "x"}));
  EXPECT_FALSE(calls_shell({"gzip", "-c", "sh"}));
}

}  // namespace
}  // namespace penstock::pipeline
