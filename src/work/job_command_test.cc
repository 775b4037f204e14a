#include "work/job_command.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"

namespace penstock::work {
namespace {

using Strings = std::vector<std::string>;

bool has(const Strings& environment, const std::string& variable) {
  return std::ranges::find(environment, variable) != environment.end();
}

TEST(CommandEnvironment, ClearsWhatAnEarlierJobHasLeft) {
  const Strings environment = command_environment(
      {"PATH=/bin", "FSPL_SEQ=1", "FSPL_PARAM_7=x", "FSPL_SET_A=x", "FSPL_JOB_FILENAME=x",
       "FSPL_CTIME_SECS=1", "FSPL_OTHER=kept", "PENSTOCK_ATTEMPT=9", "PENSTOCK_JOB=9",
       "PENSTOCK_PREVIOUS=x"},
      {{.name = "FSPL_SEQ", .value = "2"}}, {.number = 3, .previous = "failed: exit 3"}, "q#2");
  EXPECT_TRUE(has(environment, "PATH=/bin"));
  EXPECT_TRUE(has(environment, "FSPL_OTHER=kept"));
  EXPECT_TRUE(has(environment, "FSPL_SEQ=2"));
  EXPECT_TRUE(has(environment, "PENSTOCK_ATTEMPT=3"));
  EXPECT_TRUE(has(environment, "PENSTOCK_PREVIOUS=failed: exit 3"));
  EXPECT_FALSE(has(environment, "PENSTOCK_PREVIOUS=x"));
  EXPECT_TRUE(has(environment, "PENSTOCK_JOB=q#2"));
  EXPECT_EQ(std::ranges::count_if(environment,
                                  [](const std::string& variable) {
                                    return variable.starts_with("FSPL_SET_") ||
                                           variable.starts_with("FSPL_PARAM_") ||
                                           variable.starts_with("FSPL_JOB_") ||
                                           variable.starts_with("FSPL_CTIME_");
                                  }),
            0);
}

TEST(CommandEnvironment, LetsTheLastOfANameCount) {
  const Strings environment = command_environment(
      {}, {{.name = "FSPL_SET_A", .value = "1"}, {.name = "FSPL_SET_A", .value = "2"}}, {}, "x");
  EXPECT_FALSE(has(environment, "FSPL_SET_A=1"));
  EXPECT_TRUE(has(environment, "FSPL_SET_A=2"));
}

TEST(CommandArguments, HaveTheJobsOwnOnlyWhereAllowed) {
  const packet::Metadata metadata{.params = {"-x", ""}};
  CommandLine line{.argv = {"cmd", "a"}};
  EXPECT_EQ(command_arguments(line, metadata), (Strings{"cmd", "a"}));
  line.allow_job_params = true;
  EXPECT_EQ(command_arguments(line, metadata), (Strings{"cmd", "a", "-x", ""}));
  line.params_separator = true;
  EXPECT_EQ(command_arguments(line, metadata), (Strings{"cmd", "a", "--", "-x", ""}));
}

TEST(UnusablePacket, IsOneWithANulByte) {
  EXPECT_FALSE(unusable_packet({.params = {"a"}, .env = {{.name = "b", .value = "c"}}}));
  EXPECT_EQ(unusable_packet({.params = {"a", std::string("b\0", 2)}}),
            "its parameter 2 holds a NUL byte, which no command can be given");
  EXPECT_TRUE(unusable_packet({.env = {{.name = std::string("b\0", 2), .value = "c"}}}));
}

TEST(CheckCommand, NamesWhatCannotBeStarted) {
  EXPECT_NO_THROW(check_command("sh"));
  EXPECT_NO_THROW(check_command("/bin/sh"));
  EXPECT_THROW(check_command("no-such-command-here"), Error);
  EXPECT_THROW(check_command("/etc/passwd"), Error);
}

TEST(HasPipeBug, KnowsTheKernelsOfTheAdvisory) {
  for (const char* release :
       {"5.8.0", "5.10.209", "5.11.1", "5.15.148", "5.16.0", "6.1.52-amd64", "6.6.14", "6.7.2"}) {
    EXPECT_TRUE(has_pipe_bug(release)) << release;
  }
  for (const char* release :
       {"5.7.19", "5.10.210", "5.15.149", "6.1.76", "6.6.15", "6.7.3", "6.8.0", "6.18.44", "x"}) {
    EXPECT_FALSE(has_pipe_bug(release)) << release;
  }
}

}  // namespace
}  // namespace penstock::work
