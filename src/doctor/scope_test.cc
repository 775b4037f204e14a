#include <gtest/gtest.h>

#include "doctor/testing/diagnosed.h"

namespace penstock::doctor {
namespace {

using testing::Staged;
using Pids = std::set<pid_t>;

// An interactive shell with a job, beside another job of its own.
struct Jobs : ::testing::Test {
  Jobs() {
    stage.process(2, "sshd").group(2).session(2);
    stage.process(5, "bash").parent(2).group(5).session(5);
    stage.process(10, "gpg").parent(5).group(10).session(5).stdout_pipe(70);
    stage.process(11, "zstd").parent(5).group(10).session(5).stdin_pipe(70).stdout_pipe(71);
    stage.process(12, "zfs").parent(5).group(10).session(5).stdin_pipe(71);
    stage.process(20, "other").parent(5).group(20).session(5).stdout_pipe(80);
    stage.process(21, "cat").parent(5).group(20).session(5).stdin_pipe(80);
  }
  Pids of(pid_t pid) { return choose({.pids = {pid}}, stage.both()); }
  Staged stage;
};

TEST_F(Jobs, EachStageLeadsToItsPipelineAndTheShell) {
  EXPECT_EQ(of(10), (Pids{5, 10, 11, 12}));
  EXPECT_EQ(of(11), (Pids{5, 10, 11, 12}));
  EXPECT_EQ(of(12), (Pids{5, 10, 11, 12}));
}

TEST_F(Jobs, WhoeverElseHoldsAPipeIsLookedAtButNotFollowed) {
  stage.process(30, "daemon").session(30).holds_write(9, 71).stdin_pipe(90);
  stage.process(31, "far").session(31).stdout_pipe(90);
  EXPECT_EQ(of(10), (Pids{5, 10, 11, 12, 30}));
}

TEST_F(Jobs, AStageThatHasEndedIsFoundByItsGroup) {
  stage.process(13, "tar").parent(5).group(10).session(5).zombie();
  EXPECT_TRUE(of(10).contains(13));
}

TEST_F(Jobs, ChildrenOfStagesBelongToThem) {
  stage.process(14, "helper").parent(11).group(14).session(14);
  EXPECT_TRUE(of(10).contains(14));
}

TEST_F(Jobs, TheReaderOfErrorsIsLookedAt) {
  for (const pid_t pid : {10, 11, 12}) stage.process(pid).stderr_pipe(75);
  stage.process(40, "logger").session(40).stdin_pipe(75).stdout_pipe(76);
  stage.process(41, "disk").session(41).stdin_pipe(76);
  EXPECT_EQ(of(10), (Pids{5, 10, 11, 12, 40, 41}));
}

TEST_F(Jobs, ACallersSharedOutputDoesNotPullInAllWhoShareIt) {
  stage.process(40, "agent").session(40).holds_read(20, 75).stdin_pipe(91);
  stage.process(41, "agents-own").session(41).stdout_pipe(91);
  for (pid_t pid = 100; pid < 140; ++pid) {
    stage.process(pid, "build").parent(40).session(40).stdout_pipe(75).stderr_pipe(75);
  }
  stage.process(12).stdout_pipe(75);
  for (const pid_t pid : {10, 11, 12}) stage.process(pid).stderr_pipe(75);
  EXPECT_EQ(of(10), (Pids{5, 10, 11, 12, 40}));
}

TEST_F(Jobs, TheReaderOfASharedOutputSeesAllWhoWrite) {
  stage.process(40, "tee").session(40).stdin_pipe(75);
  for (pid_t pid = 100; pid < 120; ++pid) {
    stage.process(pid, "build").session(pid).stdout_pipe(75);
  }
  EXPECT_EQ(of(40).size(), 21u);
}

TEST_F(Jobs, InAScriptOnlyItsOwnPipelineIsFound) {
  for (auto& [pid, process] : stage.both().processes) {
    if (pid >= 5) process.stat.group = 5;
  }
  stage.process(15, "gone").parent(5).group(5).session(5).zombie();
  EXPECT_EQ(of(10), (Pids{5, 10, 11, 12, 15}));
}

TEST_F(Jobs, ASessionIsAllOfItsPipelines) {
  EXPECT_EQ(choose({.session = 5}, stage.both()), (Pids{5, 10, 11, 12, 20, 21}));
}

TEST_F(Jobs, AllAreAllWhoHoldPipes) {
  EXPECT_EQ(choose({.all = true}, stage.both()), (Pids{10, 11, 12, 20, 21}));
}

TEST_F(Jobs, WhoIsGoneLeadsNowhere) {
  EXPECT_EQ(of(4711), Pids{});
}

TEST(Scope, GoesThroughAGateBothWays) {
  Staged stage;
  stage.process(10, "gpg").parent(21).session(21).stdout_pipe(8);
  stage.process(11, "zfs").parent(21).session(21).stdin_pipe(9);
  stage.process(20, "penstock").session(20).holds_read(11, 8).holds_write(12, 9);
  stage.process(21, "gatekeeper").parent(20).session(21).holds_write(12, 9);
  stage.process(30, "another").parent(21).session(21).group(30);
  const std::string text =
      "penstock-gate 1\npipe=9\nstate=shut\nqueue=q\njob=1 x\nupstream=8\n"
      "stage=10 1010 gpg\nstage=11 1011 zfs\n";
  stage.process(20).gate(13, 9, text);
  stage.process(21).gate(13, 9, text);
  const Pids expected{10, 11, 20, 21};
  for (const pid_t pid : {10, 11}) {
    Pids found = choose({.pids = {pid}}, stage.both());
    found.erase(30);  // a brother without pipes
    EXPECT_EQ(found, expected) << pid;
  }
}

}  // namespace
}  // namespace penstock::doctor
