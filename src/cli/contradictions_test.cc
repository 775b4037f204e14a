#include "cli/contradictions.h"

#include <gtest/gtest.h>

#include "cli/command_table.h"
#include "cli/parse.h"

namespace penstock::cli {
namespace {

// What is wrong with a line; empty if nothing is.
std::string refused(std::vector<const char*> words) {
  try {
    parse_command_line(kCommandTable, words);
  } catch (const UsageError& error) {
    return error.message().substr(0, error.message().find(" (see "));
  }
  return "";
}

std::string process(std::vector<const char*> words) {
  words.insert(words.begin(), {"queue-process", "-q", "q", "true"});
  return refused(std::move(words));
}

TEST(Contradictions, AreRefusedWithTheReason) {
  EXPECT_EQ(process({"--stdin", "File", "-d", "cat"}),
            "--stdin file and --decoder exclude each other: what a decoder gives is a pipe");
  EXPECT_EQ(process({"--max-attempts", "3"}),
            "--max-attempts counts only with --on-error quarantine");
  EXPECT_NE(process({"--max-attempts", "3", "--on-error", "Delete"}), "");
  EXPECT_EQ(process({"--quarantine-limit", "3"}),
            "--quarantine-limit counts only with --on-error quarantine");
  EXPECT_NE(process({"--retry-delay", "1m", "--on-error", "delete"}), "");
  EXPECT_NE(process({"--retry-delay", "1m", "--on-error", "Leave"}), "");
  for (const char* other : {"--gate=hold", "--gate=eof", "--ignore-payload"}) {
    EXPECT_NE(process({"--stdin=file", other}), "") << other;
    EXPECT_NE(refused({"stdin-process", "true", "--stdin=file", other}), "") << other;
  }
  EXPECT_NE(process({"--verify=before", "--ignore-payload"}), "");
  EXPECT_NE(process({"--capture-stderr", "--output-to=saveboth"}), "");
  EXPECT_NE(process({"--remove-old", "--never-delete"}), "");
  EXPECT_NE(process({"--remove-old", "--order-by=Timestamp"}), "");
  EXPECT_NE(refused({"queue-write", "-q", "q", "--check", "--allow-empty"}), "");
}

TEST(Contradictions, WhatAgreesIsAccepted) {
  EXPECT_EQ(process({"--stdin=file", "--gate=off", "--verify=during"}), "");
  EXPECT_EQ(process({"--stdin=pipe", "-d", "cat", "--gate=hold"}), "");
  EXPECT_EQ(process({"--max-attempts", "3", "--on-error", "Quarantine"}), "");
  EXPECT_EQ(process({"--quarantine-limit=0", "--retry-delay=1m..1h", "--on-error=quarantine"}), "");
  EXPECT_EQ(process({"--retry-delay=1m"}), "");
  EXPECT_EQ(process({"--capture-stderr", "--output-to=PassBoth"}), "");
  EXPECT_EQ(process({"--verify=before", "--gate=off"}), "");
  EXPECT_EQ(process({"--stdin=file", "--verify=before"}), "");
  EXPECT_EQ(process({"--stdin=file", "--verify=before", "-d", "cat"}), "");
}

TEST(Contradictions, NothingOfFsplsAloneIsRefused) {
  for (const char* on_error : {"Retry", "Delete", "Leave"}) {
    for (const char* order : {"Sequence", "Timestamp"}) {
      for (const char* output : {"PassBoth", "SaveBoth"}) {
        EXPECT_EQ(process({"-d", "cat", "--maxjobs=0", "--never-delete", "--on-error", on_error,
                           "--order-by", order, "--output-to", output, "--allow-job-params",
                           "--ignore-payload", "--timeout=1"}),
                  "");
      }
    }
  }
}

}  // namespace
}  // namespace penstock::cli
