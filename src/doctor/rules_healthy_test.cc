#include <gtest/gtest.h>

#include "doctor/testing/examined.h"

namespace penstock::doctor {
namespace {

using testing::Call;
using testing::Examined;
using testing::Staged;
using Pids = std::vector<pid_t>;

Examined examine(const Staged& stage, std::vector<Finding> earlier = {}) {
  return {stage, healthy_rules(), std::move(earlier)};
}

// What another rule has said before.
constexpr RuleInfo kOther = {.id = "R99"};
std::vector<Finding> told_stuck(pid_t pid) {
  Finding finding{.rule = &kOther};
  finding.culprit = {.pid = pid, .start_time = 1000 + static_cast<uint64_t>(pid)};
  return {finding};
}

TEST(R47, AReceiveWhoseInputHasEnded) {
  Staged stage;
  stage.process(21, "zfs").stdin_pipe(7).disk_sleep("txg_wait_synced");
  EXPECT_EQ(examine(stage).culprit("R47"), 21);
  EXPECT_EQ(examine(stage).at("R47").severity, Severity::info);
}

TEST(R47, AWriterThatIsLeftIsNoEnd) {
  Staged stage;
  stage.process(20, "zstdcat").stdout_pipe(7).sleeping();
  stage.process(21, "zfs").stdin_pipe(7).disk_sleep("txg_wait_synced");
  EXPECT_FALSE(examine(stage).has("R47"));
}

TEST(R47, NothingIsSaidOfWhoIsStuck) {
  Staged stage;
  stage.process(21, "zfs").stdin_pipe(7).disk_sleep("txg_wait_synced");
  EXPECT_FALSE(examine(stage, told_stuck(21)).has("R47"));
}

// tar 20 | xz 21 | cat 22: xz computes, its input is full.
void stage_slow(Staged& stage) {
  stage.process(20, "tar").stdout_pipe(7).writing(1);
  stage.process(21, "xz").stdin_pipe(7).stdout_pipe(8).running().uses_cpu(190);
  stage.process(22, "cat").stdin_pipe(8).reading(0);
  stage.pipe(7).full();
}

TEST(R48, TheSlowestStageAndItsRate) {
  Staged stage;
  stage_slow(stage);
  stage.process(21).moves_bytes(2 << 20, 1 << 20);
  const Examined seen = examine(stage);
  EXPECT_EQ(seen.culprit("R48"), 21);
  EXPECT_EQ(seen.at("R48").severity, Severity::info);
  EXPECT_NE(seen.sentence("R48").find("1.0 MiB/s"), std::string::npos) << seen.sentence("R48");
  EXPECT_EQ(seen.findings.size(), 1u) << "once for each pipeline";
}

TEST(R48, SaysWhenItIsHeldBack) {
  Staged stage;
  stage_slow(stage);
  stage.process(21).cgroup("/box");
  stage.both().cgroups["/box"] = {.throttled_us = 5};
  stage.later([](procfs::Snapshot& now) { now.cgroups.at("/box").throttled_us = 900000; });
  EXPECT_NE(examine(stage).at("R48").evidence.back().find("cpu.max"), std::string::npos);
}

TEST(R48, ATimerAloneDoesNotCarryItOn) {
  Staged stage;
  stage.process(20, "tar").stdout_pipe(7).writing(1);
  stage.process(21, "pv").stdin_pipe(7).polling().switches(3);
  stage.pipe(7).full();
  EXPECT_FALSE(examine(stage).has("R48"));
}

// It looks at the others, and counts them; what it relays by splice(2) is not in its counters.
TEST(R48, WhatAHolderOfTheGateReadsDoesNotCarryItOn) {
  for (const bool is_gate : {false, true}) {
    Staged stage;
    stage.process(20, "cat").stdout_pipe(8).writing(1);
    stage.process(10, "penstock").holds_read(20, 8).holds_write(21, 9).polling().switches(3);
    stage.process(10).moves_bytes(400, 0);
    if (is_gate) stage.process(10).gate(22, 9, "penstock-gate 1\npipe=9\nstate=shut\n");
    stage.process(22, "sleep").stdin_pipe(9).sleeping();
    const Examined seen = examine(stage);
    EXPECT_NE(seen.has("R48"), is_gate);
    EXPECT_NE(seen.scene().rate(10).has_value(), is_gate);
  }
}

TEST(R48, NothingIsSaidOfAPipelineThatIsStuck) {
  Staged stage;
  stage_slow(stage);
  EXPECT_FALSE(examine(stage, told_stuck(22)).has("R48"));
}

// ssh 20 | zstdcat 21 | zfs 22, and nothing has come.
void stage_late(Staged& stage) {
  stage.process(20, "ssh").stdout_pipe(7).polling();
  stage.process(21, "zstdcat").stdin_pipe(7).stdout_pipe(8).reading(0);
  stage.process(22, "zfs").stdin_pipe(8).reading(0);
}

TEST(R49, TheFirstStageHasNothingYet) {
  Staged stage;
  stage_late(stage);
  const Examined seen = examine(stage);
  EXPECT_EQ(seen.culprit("R49"), 20);
  EXPECT_EQ(seen.at("R49").severity, Severity::info);
  EXPECT_EQ(seen.findings.size(), 1u);
}

TEST(R49, OrItComputes) {
  Staged stage;
  stage_late(stage);
  stage.process(20).running().uses_cpu(150);
  const Examined seen = examine(stage);
  EXPECT_EQ(seen.culprit("R49"), 20);
  EXPECT_FALSE(seen.has("R48"));
}

TEST(R49, ALockOfItsOwnIsAnotherMatter) {
  Staged stage;
  stage_late(stage);
  stage.process(20).on_futex();
  EXPECT_FALSE(examine(stage).has("R49"));
}

TEST(R49, SomebodyInTheMiddleIsStuck) {
  Staged stage;
  stage_late(stage);
  stage.process(21).on_futex();
  EXPECT_FALSE(examine(stage).has("R49"));
}

void stage_receives(Staged& stage, const std::string& other) {
  stage.process(19, "sshd").stdout_pipe(6).polling();
  stage.process(20, "zfs")
      .arguments({"zfs", "receive", "-u", "tank/x"})
      .stdin_pipe(6)
      .in(Call::ioctl, "anon_pipe_read");
  stage.process(30, "zfs")
      .parent(29)
      .arguments({"zfs", "receive", "-u", other})
      .in(Call::ioctl, "cv_wait_common");
}

TEST(R50, TheOlderReceiveIsTheLeftover) {
  Staged stage;
  stage_receives(stage, "tank/x");
  const Examined seen = examine(stage);
  EXPECT_EQ(seen.culprit("R50"), 20);
  EXPECT_TRUE(seen.is_stuck("R50"));
  EXPECT_EQ(seen.victims("R50").at(0), 30);
  EXPECT_EQ(seen.at("R50").certainty, Certainty::certain);
  EXPECT_EQ(seen.at("R50").remedies.at(0).target.pid, 19) << "who writes into it, first";
}

TEST(R50, AnotherDatasetIsAnotherMatter) {
  Staged stage;
  stage_receives(stage, "tank/y");
  EXPECT_FALSE(examine(stage).has("R50"));
}

TEST(R50, WhereTheStreamNamesTheDatasetNobodyKnows) {
  Staged stage;
  stage_receives(stage, "tank/x");
  for (const pid_t pid : {20, 30}) {
    stage.process(pid).arguments({"zfs", "receive", "-du", "tank/x"});
  }
  EXPECT_FALSE(examine(stage).has("R50"));
}

TEST(R50, SudoAndItsZfsAreOne) {
  Staged stage;
  stage_receives(stage, "tank/x");
  stage.process(30).parent(20);
  EXPECT_FALSE(examine(stage).has("R50"));
}

// gpg 20 | (relay in penstock 10) | zfs 22: gate on pipe 9, upstream pipe 8.
class R51 : public ::testing::Test {
 protected:
  R51() {
    stage.process(10, "penstock").holds_read(20, 8).holds_write(21, 9).polling().gate(22, 9, text);
    stage.process(11, "gatekeeper").parent(10).holds_write(21, 9).epolling(5).gate(22, 9, text);
    stage.process(20, "gpg").parent(11).stdin_pipe(7).in(Call::other, "do_something_else");
    stage.process(22, "zfs").parent(11).stdin_pipe(9).reading(0);
    for (const pid_t pid : {10, 11, 20, 22}) stage.process(pid).get().tasks[0].idle_s = 5;
  }
  const std::string text =
      "penstock-gate 1\npipe=9\nstate=shut\nqueue=/q\njob=7 fspl-x.fspl\nupstream=8\n"
      "stage=20 1020 gpg\nstage=22 1022 zfs\n";
  Staged stage;
};

TEST_F(R51, AStageHasClosedItsOutputAndLives) {
  stage.process(20).sleeping();
  const Examined seen = examine(stage);
  EXPECT_EQ(seen.culprit("R51"), 20);
  EXPECT_TRUE(seen.is_stuck("R51"));
  EXPECT_EQ(seen.victims("R51").at(0), 22);
  for (const Remedy& remedy : seen.at("R51").remedies) {
    EXPECT_NE(remedy.step, Step::close_own);
    EXPECT_FALSE(remedy.pipe);
  }
}

TEST_F(R51, GoesOnToWhatThatStageWaitsFor) {
  stage.process(20).waiting_for_child();
  stage.process(25, "sleep").parent(20).sleeping();
  const Examined seen = examine(stage);
  EXPECT_EQ(seen.culprit("R51"), 20);
  EXPECT_NE(seen.sentence("R51").find("sleep 25"), std::string::npos) << seen.sentence("R51");
}

TEST_F(R51, AStageWithoutInputThatWaitsForItsChild) {
  stage.process(20).stdout_pipe(8).waiting_for_child();
  stage.process(25, "sleep").parent(20).stdout_pipe(8).sleeping();
  EXPECT_EQ(examine(stage).culprit("R51"), 20);
}

TEST_F(R51, AStageThatStillWritesIsAwaitedInTheOrdinaryWay) {
  stage.process(19, "cat").stdout_pipe(7).sleeping();
  stage.process(20).stdout_pipe(8).reading(0);
  EXPECT_FALSE(examine(stage).has("R51"));
}

TEST_F(R51, AStageThatWorksIsNotStuck) {
  stage.process(20).running().uses_cpu(100);
  EXPECT_FALSE(examine(stage).has("R51"));
}

TEST_F(R51, AllStagesGoneAndNobodyActsIsOurBug) {
  stage.process(20).zombie();
  const Examined seen = examine(stage);
  EXPECT_EQ(seen.culprit("R51"), 10);
  EXPECT_TRUE(seen.is_stuck("R51"));
  EXPECT_NE(seen.sentence("R51").find("our bug"), std::string::npos);
  EXPECT_TRUE(seen.at("R51").remedies.empty());
}

TEST_F(R51, AWriterLeftBehindIsNotOurBug) {
  stage.process(20).zombie();
  stage.process(25, "sleep").stdout_pipe(8).sleeping();
  EXPECT_FALSE(examine(stage).has("R51"));
}

TEST_F(R51, AHolderAtWorkIsNoBug) {
  stage.process(20).zombie();
  stage.process(11).switches();
  EXPECT_FALSE(examine(stage).has("R51"));
}

TEST_F(R51, AnOpenGateKeepsNothingBack) {
  for (const pid_t pid : {10, 11}) {
    stage.process(pid).gate(22, 9,
                            "penstock-gate 1\npipe=9\nstate=open\nqueue=/q\njob=7 x\nupstream=8\n"
                            "stage=20 1020 gpg\nstage=22 1022 zfs\n");
  }
  stage.process(20).sleeping();
  EXPECT_FALSE(examine(stage).has("R51"));
}

}  // namespace
}  // namespace penstock::doctor
