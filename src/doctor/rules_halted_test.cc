#include <gtest/gtest.h>

#include <csignal>

#include "doctor/testing/examined.h"

namespace penstock::doctor {
namespace {

using testing::Call;
using testing::Examined;
using testing::Staged;
using Pids = std::vector<pid_t>;

Examined examine(const Staged& stage) {
  return {stage, halted_rules()};
}

// gzip 20 writes to pipe 7, which 21 reads.
void stage_writer(Staged& stage) {
  stage.process(20, "gzip").stdout_pipe(7).writing(1);
  stage.pipe(7).full();
}

TEST(R27, AStoppedStageHoldsUpTheOthers) {
  Staged stage;
  stage_writer(stage);
  stage.process(21, "cat").stdin_pipe(7).stopped();
  const Examined seen = examine(stage);
  EXPECT_EQ(seen.culprit("R27"), 21);
  EXPECT_TRUE(seen.is_stuck("R27"));
  EXPECT_EQ(seen.victims("R27"), Pids{20});
  EXPECT_EQ(seen.at("R27").remedies.at(0).command, "kill -CONT 21");
}

TEST(R27, SaysWhenItsTerminalStoppedIt) {
  Staged stage;
  stage_writer(stage);
  stage.process(21, "cat").stdin_pipe(7).group(21).controlling_tty(0x8803, 99).stopped();
  EXPECT_NE(examine(stage).sentence("R27").find("SIGTTIN"), std::string::npos);
}

TEST(R27, WhoeverGoesOnMeanwhileIsNotStopped) {
  Staged stage;
  stage_writer(stage);
  stage.process(21, "cat").stdin_pipe(7).stopped();
  stage.earlier([](procfs::Snapshot& before) {
    before.processes.at(21).stat.state = before.processes.at(21).tasks[0].state = 'S';
  });
  EXPECT_FALSE(examine(stage).has("R27"));
}

TEST(R27, AStoppedEditorHoldsUpNobody) {
  Staged stage;
  stage.process(21, "vim").stopped();
  EXPECT_EQ(examine(stage).culprit("R27"), 21);
  EXPECT_FALSE(examine(stage).is_stuck("R27"));
}

// 20 | 21 | 22 after Ctrl-Z; a shell waits.
void stage_stopped_job(Staged& stage) {
  stage.process(5, "bash").waiting_for_child();
  stage.process(20, "yes").parent(5).group(20).stdout_pipe(7).stopped();
  stage.process(21, "gzip").parent(5).group(20).stdin_pipe(7).stdout_pipe(8).stopped();
  stage.process(22, "cat").parent(5).group(20).stdin_pipe(8).stopped();
}

TEST(R27, AJobThatIsStoppedAsAWholeIsOneFinding) {
  Staged stage;
  stage_stopped_job(stage);
  const Examined seen = examine(stage);
  ASSERT_EQ(seen.findings.size(), 1U);
  EXPECT_EQ(seen.culprit("R27"), 20) << "its leader";
  EXPECT_EQ(seen.at("R27").companions.size(), 2U);
  EXPECT_EQ(seen.victims("R27"), Pids{5});
  EXPECT_EQ(seen.sentence("R27"), "yes 20, gzip 21 and cat 22 are stopped, as one job.");
  EXPECT_EQ(seen.at("R27").remedies.at(0).command, "kill -CONT 20 21 22");
  EXPECT_EQ(seen.at("R27").evidence.size(), 3U);
}

TEST(R27, StagesOfDifferentJobsThatAreStoppedAreTwoFindings) {
  Staged stage;
  stage_stopped_job(stage);
  stage.process(30, "tee").group(30).stdin_pipe(9).stopped();
  stage.process(31, "yes").group(31).stdout_pipe(9).writing(1);
  stage.pipe(9).full();
  const Examined seen = examine(stage);
  ASSERT_EQ(seen.findings.size(), 2U);
  EXPECT_EQ(seen.findings[1].culprit.pid, 30);
  EXPECT_EQ(seen.findings[1].sentence, "tee 30 is stopped.");
}

TEST(R28, AFrozenGroupIsNamed) {
  Staged stage;
  stage_writer(stage);
  stage.process(21, "cat").stdin_pipe(7).cgroup("/box/job").reading(0);
  stage.both().cgroups["/box/job"] = {.frozen = true, .frozen_at = "/box"};
  const Examined seen = examine(stage);
  EXPECT_EQ(seen.culprit("R28"), 21);
  EXPECT_TRUE(seen.is_stuck("R28"));
  EXPECT_NE(seen.sentence("R28").find("/box."), std::string::npos) << seen.sentence("R28");
}

TEST(R28, AFreezerOfVersionOneIsThawedByItsOwnFile) {
  Staged stage;
  stage_writer(stage);
  stage.process(21, "cat").stdin_pipe(7).cgroup("/box/job").reading(0);
  stage.both().cgroups["/box/job"] = {.frozen = true, .frozen_at = "/box"};
  EXPECT_EQ(examine(stage).at("R28").remedies.at(0).command,
            "echo 0 > /sys/fs/cgroup/box/cgroup.freeze");
  stage.both().cgroups["/box/job"].by_freezer = true;
  EXPECT_EQ(examine(stage).at("R28").remedies.at(0).command,
            "echo THAWED > /sys/fs/cgroup/freezer/box/freezer.state");
}

TEST(R28, AThawedGroupIsNot) {
  Staged stage;
  stage_writer(stage);
  stage.process(21, "cat").stdin_pipe(7).cgroup("/box/job").reading(0);
  stage.both().cgroups["/box/job"] = {.frozen = true, .frozen_at = "/box"};
  stage.later([](procfs::Snapshot& now) { now.cgroups.at("/box/job").frozen = false; });
  EXPECT_FALSE(examine(stage).has("R28"));
}

TEST(R29, ATracerThatHoldsAStageIsTheCulprit) {
  Staged stage;
  stage_writer(stage);
  stage.process(30, "gdb").polling();
  stage.process(21, "cat").stdin_pipe(7).traced_by(30);
  const Examined seen = examine(stage);
  EXPECT_EQ(seen.culprit("R29"), 30);
  EXPECT_TRUE(seen.is_stuck("R29"));
  ASSERT_FALSE(seen.victims("R29").empty());
  EXPECT_EQ(seen.victims("R29").at(0), 21);
}

TEST(R29, ATracerThatLetsGoIsAWarning) {
  Staged stage;
  stage.process(30, "strace").waiting_for_child();
  stage.process(21, "cat").stdin_pipe(7).tracer(30).reading(0);
  EXPECT_EQ(examine(stage).culprit("R29"), 30);
  EXPECT_FALSE(examine(stage).is_stuck("R29"));
}

TEST(R29, NobodyTraces) {
  Staged stage;
  stage.process(21, "cat").stdin_pipe(7).reading(0);
  EXPECT_FALSE(examine(stage).has("R29"));
}

TEST(R30, AStageAtTheTerminalWaitsForAPerson) {
  Staged stage;
  stage.process(20, "ssh").tty_fd(4).stdout_pipe(7).in(Call::read, "wait_woken", {4});
  stage.process(21, "zfs").stdin_pipe(7).reading(0);
  const Examined seen = examine(stage);
  EXPECT_EQ(seen.culprit("R30"), 20);
  EXPECT_TRUE(seen.is_stuck("R30"));
  EXPECT_EQ(seen.victims("R30"), Pids{21});
}

TEST(R30, AShellAtItsPromptHoldsUpNobody) {
  Staged stage;
  stage.process(20, "dash").tty_fd(0).in(Call::read, "wait_woken", {0});
  EXPECT_FALSE(examine(stage).has("R30"));
}

TEST(R30, APagerIsWaitedForKnowingly) {
  Staged stage;
  stage_writer(stage);
  stage.process(21, "less").stdin_pipe(7).tty_fd(3).in(Call::read, "wait_woken", {3});
  EXPECT_EQ(examine(stage).culprit("R30"), 21);
  EXPECT_FALSE(examine(stage).is_stuck("R30"));
}

TEST(R30, APinentryIsFoundBehindTheAgent) {
  Staged stage;
  stage.process(20, "gpg").unix_socket(5, 900).stdout_pipe(7).in(Call::read,
                                                                 "unix_stream_read_generic", {5});
  stage.process(21, "zstdcat").stdin_pipe(7).reading(0);
  stage.process(40, "pinentry-curses").parent(39).not_looked_at();
  const Examined seen = examine(stage);
  EXPECT_EQ(seen.culprit("R30"), 40);
  EXPECT_EQ(seen.victims("R30"), (Pids{20, 21}));
}

TEST(R30, AGpgThatWaitsForItsAgentAloneIsNoPrompt) {
  Staged stage;
  stage.process(20, "gpg").unix_socket(5, 900).in(Call::read, "unix_stream_read_generic", {5});
  EXPECT_FALSE(examine(stage).has("R30"));
}

constexpr uint64_t kPrivateFutex = 128;

void stage_fork(Staged& stage, uint64_t operation) {
  stage.process(20, "server").holds_read(9, 7).reading(9).thread(25).on_futex();
  stage.process(21, "server")
      .parent(20)
      .holds_write(10, 7)
      .in(Call::futex, "futex_do_wait", {0x7f00, operation, 2, 0});
}

TEST(R31, AForkedCopyOnALockOfNobody) {
  Staged stage;
  stage_fork(stage, kPrivateFutex);
  const Examined seen = examine(stage);
  EXPECT_EQ(seen.culprit("R31"), 21);
  EXPECT_TRUE(seen.is_stuck("R31"));
  EXPECT_EQ(seen.victims("R31"), Pids{20});
}

TEST(R31, AWorkerOnASharedSemaphoreIsAtEase) {
  Staged stage;
  stage_fork(stage, 0);
  EXPECT_FALSE(examine(stage).has("R31"));
}

TEST(R31, AnotherProgramHasBeenStarted) {
  Staged stage;
  stage_fork(stage, kPrivateFutex);
  stage.process(21).exe("/usr/bin/other");
  EXPECT_FALSE(examine(stage).has("R31"));
}

TEST(R32, AFifoThatNobodyOpens) {
  Staged stage;
  stage.process(20, "cat").in(Call::open, "wait_for_partner").task().opening = "/tmp/f";
  const Examined seen = examine(stage);
  EXPECT_EQ(seen.culprit("R32"), 20);
  EXPECT_TRUE(seen.is_stuck("R32"));
  EXPECT_NE(seen.sentence("R32").find("/tmp/f"), std::string::npos);
}

TEST(R32, AFifoThatWasJustOpened) {
  Staged stage;
  stage.process(20, "cat").in(Call::open, "wait_for_partner").switches();
  EXPECT_FALSE(examine(stage).has("R32"));
}

TEST(R33, AParentThatDoesNotReap) {
  Staged stage;
  stage.process(20, "server").polling();
  stage.process(21, "gzip").parent(20).zombie();
  const Examined seen = examine(stage);
  EXPECT_EQ(seen.culprit("R33"), 20);
  EXPECT_EQ(seen.at("R33").severity, Severity::warning);
}

TEST(R33, AParentThatWaitsOrListensWillReap) {
  Staged stage;
  stage.process(20, "sh").waiting_for_child();
  stage.process(21, "gzip").parent(20).zombie();
  stage.process(30, "bash").polling().catches(SIGCHLD);
  stage.process(31, "gzip").parent(30).zombie();
  stage.process(40, "gatekeeper").epolling(3).blocks(SIGCHLD);
  stage.process(41, "gzip").parent(40).zombie();
  EXPECT_FALSE(examine(stage).has("R33"));
}

TEST(R33, AFreshZombieIsNoNews) {
  Staged stage;
  stage.process(20, "server").polling();
  stage.process(21, "gzip").parent(20).zombie();
  stage.earlier([](procfs::Snapshot& before) { before.processes.at(21).stat.state = 'R'; });
  EXPECT_FALSE(examine(stage).has("R33"));
}

TEST(R34, TermIsBlocked) {
  Staged stage;
  stage_writer(stage);
  stage.process(21, "cat").stdin_pipe(7).sleeping().pending(SIGTERM).blocks(SIGTERM);
  const Examined seen = examine(stage);
  EXPECT_EQ(seen.culprit("R34"), 21);
  EXPECT_TRUE(seen.is_stuck("R34"));
  EXPECT_EQ(seen.at("R34").remedies.at(0).command, "kill -KILL 21");
}

TEST(R34, KilledInTheKernel) {
  Staged stage;
  stage_writer(stage);
  stage.process(21, "zfs").stdin_pipe(7).disk_sleep("io_schedule").pending(SIGKILL);
  EXPECT_EQ(examine(stage).culprit("R34"), 21);
  EXPECT_TRUE(examine(stage).is_stuck("R34"));
}

TEST(R34, AStoppedOneGoesOnToEnd) {
  Staged stage;
  stage_writer(stage);
  stage.process(21, "cat").stdin_pipe(7).stopped().pending(SIGTERM);
  EXPECT_EQ(examine(stage).at("R34").remedies.at(0).command, "kill -CONT 21");
}

TEST(R34, WhoeverBlocksTermAndWasNotAskedIsLeftAlone) {
  Staged stage;
  stage_writer(stage);
  stage.process(21, "cat").stdin_pipe(7).sleeping().blocks(SIGTERM);
  stage.process(22, "cat").sleeping().pending(SIGCHLD).blocks(SIGCHLD);
  EXPECT_FALSE(examine(stage).has("R34"));
}

TEST(R34, ASignalOnItsWayIsNotRefused) {
  Staged stage;
  stage_writer(stage);
  stage.process(21, "cat").stdin_pipe(7).sleeping().pending(SIGTERM);
  EXPECT_FALSE(examine(stage).has("R34"));
}

TEST(Halted, ThoseWhoMoveAreNotHalted) {
  Staged stage;
  stage_writer(stage);
  stage.process(21, "cat").stdin_pipe(7).running().uses_cpu(50);
  EXPECT_TRUE(examine(stage).findings.empty());
}

}  // namespace
}  // namespace penstock::doctor
