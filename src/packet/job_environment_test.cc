#include "packet/job_environment.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace penstock::packet {
namespace {

class JobEnvironment : public ::testing::Test {
 protected:
  void SetUp() override { setenv("TZ", "CST6", 1); }
  void TearDown() override { unsetenv("TZ"); }

  const std::vector<Variable> always_ = {{"FSPL_SEQ", "18446744073709551615"},
                                         {"FSPL_CTIME_SECS", "1700000000"},
                                         {"FSPL_CTIME_NANOS", "7"},
                                         {"FSPL_CTIME_RFC3339_UTC", "2023-11-14T22:13:20Z"},
                                         {"FSPL_CTIME_RFC3339_LOCAL", "2023-11-14T16:13:20-06:00"}};

  std::vector<Variable> always_and(const std::vector<Variable>& more) {
    std::vector<Variable> out = always_;
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }
};

TEST_F(JobEnvironment, OfANopIsItsNumberAndTime) {
  EXPECT_EQ(
      job_environment({.sequence = UINT64_MAX, .created = {1700000000, 7}, .kind = Kind::nop}),
      always_);
}

TEST_F(JobEnvironment, OfACommandHasParametersThenVariablesAsTheyCame) {
  const Metadata metadata{.sequence = UINT64_MAX,
                          .created = {1700000000, 7},
                          .params = {"p1", "", "two\nlines"},
                          .env = {{"Z", "1"}, {"A", "2"}, {"Z", "3"}, {"", "x=y"}}};
  EXPECT_EQ(job_environment(metadata), always_and({{"FSPL_PARAM_1", "p1"},
                                                   {"FSPL_PARAM_2", ""},
                                                   {"FSPL_PARAM_3", "two\nlines"},
                                                   {"FSPL_SET_Z", "1"},
                                                   {"FSPL_SET_A", "2"},
                                                   {"FSPL_SET_Z", "3"},
                                                   {"FSPL_SET_", "x=y"}}));
}

TEST_F(JobEnvironment, InAQueueNamesTheFileBetweenTimeAndParameters) {
  const Metadata metadata{.sequence = UINT64_MAX, .created = {1700000000, 7}, .params = {"p"}};
  EXPECT_EQ(job_environment(metadata, JobFile{.file_name = "fspl-a.fspl", .queue_dir = "q/"}),
            always_and({{"FSPL_JOB_FILENAME", "fspl-a.fspl"},
                        {"FSPL_JOB_QUEUEDIR", "q/"},
                        {"FSPL_JOB_FULLPATH", "q//jobs/fspl-a.fspl"},
                        {"FSPL_PARAM_1", "p"}}));
}

TEST_F(JobEnvironment, ShowsNegativeSeconds) {
  const std::vector<Variable> out = job_environment({.created = {-86401, 0}});
  EXPECT_EQ(out.at(1), (Variable{"FSPL_CTIME_SECS", "-86401"}));
  EXPECT_EQ(out.at(3), (Variable{"FSPL_CTIME_RFC3339_UTC", "1969-12-30T23:59:59Z"}));
}

}  // namespace
}  // namespace penstock::packet
