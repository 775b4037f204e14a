#include "doctor/self_check.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace penstock::doctor {
namespace {

SelfFacts good() {
  SelfFacts facts;
  facts.machine.kernel = "6.18.0";
  facts.machine.looker = 1000;
  facts.machine.pipe_user_pages_soft = 16384;
  facts.race = {.attempts = 300, .provoked = false};
  facts.shell = "/bin/bash";
  facts.shell_is_understood = true;
  facts.shell_has_pipefail = true;
  return facts;
}

Check check(const SelfFacts& facts, std::string_view name) {
  const std::vector<Check> all = check_self(facts);
  const auto found = std::ranges::find_if(all, [&](const Check& c) { return c.name == name; });
  EXPECT_NE(found, all.end()) << name;
  return found == all.end() ? Check{} : *found;
}

TEST(SelfCheck, FindsNothingOnAGoodMachine) {
  for (const Check& each : check_self(good())) EXPECT_EQ(each.level, Level::ok) << each.name;
}

TEST(SelfCheck, BelievesTheTrialMoreThanTheVersion) {
  SelfFacts facts = good();
  facts.machine.kernel = "6.1.52";
  EXPECT_EQ(check(facts, "kernel").level, Level::careful);
  facts.race->provoked = true;
  EXPECT_EQ(check(facts, "kernel").level, Level::bad);
  facts.machine.kernel = "6.18.0";
  EXPECT_EQ(check(facts, "kernel").level, Level::bad);
  EXPECT_NE(check(facts, "kernel").why.find("PROVOKED"), std::string::npos);
  facts.race.reset();
  EXPECT_EQ(check(facts, "kernel").level, Level::ok);
}

TEST(SelfCheck, CountsTheBudgetOfPipes) {
  SelfFacts facts = good();
  facts.pages_in_pipes = 8193;
  EXPECT_EQ(check(facts, "pipe-budget").level, Level::careful);
  facts.pages_in_pipes = 16384;
  EXPECT_EQ(check(facts, "pipe-budget").level, Level::bad);
  facts.machine.looker = 0;
  EXPECT_EQ(check(facts, "pipe-budget").level, Level::ok);
  facts.machine.looker = 1000;
  facts.machine.pipe_user_pages_soft = 0;
  EXPECT_EQ(check(facts, "pipe-budget").level, Level::ok);
}

TEST(SelfCheck, SaysWhatIsHidden) {
  SelfFacts facts = good();
  facts.unreadable = 3;
  facts.machine.ptrace_scope = 1;
  facts.proc_hides = "invisible";
  for (const char* name : {"view", "ptrace", "hidepid"}) {
    EXPECT_EQ(check(facts, name).level, Level::careful) << name;
  }
  facts.may_trace = true;
  EXPECT_EQ(check(facts, "ptrace").level, Level::ok);
  facts.machine.has_syscall_file = false;
  EXPECT_EQ(check(facts, "ptrace").level, Level::careful);
}

TEST(SelfCheck, WarnsOfOldZfsOnKernelsWithTheBugOnly) {
  SelfFacts facts = good();
  facts.zfs_version = "2.1.5-1";
  EXPECT_EQ(check(facts, "zfs").level, Level::ok);
  facts.machine.kernel = "6.1.52";
  EXPECT_EQ(check(facts, "zfs").level, Level::careful);
  facts.zfs_version = "2.2.0-1";
  EXPECT_EQ(check(facts, "zfs").level, Level::ok);
  facts.zfs_set_pipe_max = true;
  EXPECT_EQ(check(facts, "ZFS_SET_PIPE_MAX").level, Level::bad);
}

TEST(SelfCheck, IsOneLineForEachPoint) {
  EXPECT_EQ(explain_checks({{.name = "a", .level = Level::careful, .what = "x", .why = "y"},
                            {.name = "b", .what = "z"}},
                           80),
            "careful  x: y\nOK       z\n");
}

}  // namespace
}  // namespace penstock::doctor
