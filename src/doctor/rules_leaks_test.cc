#include <gtest/gtest.h>

#include <algorithm>

#include "doctor/testing/diagnosed.h"

namespace penstock::doctor {
namespace {

using testing::Call;
using testing::diagnosed;
using testing::finding;
using testing::Staged;
using testing::stuck;
using testing::words;

// A shell that waits for the last stage of a pipeline, whose first one has ended.
struct Leak : ::testing::Test {
  Leak() {
    stage.process(5, "bash").session(5).group(5).waiting_for_child();
    stage.process(11, "cat").parent(5).session(5).group(10).stdin_pipe(7).reading(0);
  }
  Staged stage;
};

TEST_F(Leak, IntoAStranger) {
  stage.process(90, "daemon").parent(80).session(80).holds_write(9, 7).polling();
  EXPECT_EQ(stuck(stage), "R11 daemon 90 [11 5]");
  const Diagnosis diagnosis = diagnosed(stage);
  EXPECT_EQ(finding(diagnosis, "R11")->remedies.at(0).command, "kill 90");
  EXPECT_EQ(finding(diagnosis, "R11")->remedies.at(0).step, Step::end_holder);
}

TEST_F(Leak, IsNoneWhereTheHolderWasToldOfTheDescriptor) {
  stage.process(90, "tee").parent(80).session(80).holds_write(63, 7).sleeping();
  stage.process(90).arguments({"tee", "/dev/fd/63"});
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(Leak, IsNoneWhereTheHolderMoves) {
  stage.process(90, "daemon").parent(80).session(80).holds_write(9, 7).polling().switches();
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(Leak, IsNoneWhereAStageCanStillWrite) {
  stage.process(90, "daemon").parent(80).session(80).holds_write(9, 7).polling();
  stage.process(10, "curl").parent(5).session(5).group(10).stdout_pipe(7).polling();
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(Leak, IsNoneWhereAStageIsAnotherUsers) {
  stage.process(90, "daemon").parent(80).session(80).holds_write(9, 7).polling();
  stage.process(10, "sudo").parent(5).session(5).group(10).untold();
  stage.machine().looker = 1000;
  EXPECT_EQ(stuck(stage), "");
  EXPECT_FALSE(diagnosed(stage).unknown.empty());
}

// It would be the cause if it were certain that nobody else can write.
TEST_F(Leak, IsUnknownWhereSomebodyIsHidden) {
  stage.process(90, "daemon").parent(80).session(80).holds_write(9, 7).polling();
  stage.process(6, "su").parent(4).session(5).group(6).untold();
  stage.machine().looker = 1000;
  const Diagnosis diagnosis = diagnosed(stage);
  EXPECT_EQ(stuck(stage), "");
  const auto found = std::ranges::find(diagnosis.unknown, 11,
                                       [](const Unknown& each) { return each.process.pid; });
  ASSERT_NE(found, diagnosis.unknown.end());
  EXPECT_EQ(found->sentence,
            "cat 11: daemon 90 alone is seen to hold the other end of pipe 7, which is not its "
            "business; but the descriptors of su 6 cannot be read; run as root to see");
}

TEST_F(Leak, IsNoneWithinOneProgram) {
  stage.process(90, "cat").parent(80).session(80).holds_write(9, 7).polling();
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(Leak, IsNoneBesideAGate) {
  stage.process(90, "daemon").parent(1).session(80).holds_write(9, 7).polling();
  stage.process(60, "penstock").parent(5).session(5).holds_write(10, 7).gate(12, 7, "").polling();
  const Diagnosis diagnosis = diagnosed(stage);
  for (const char* rule : {"R11", "R12", "R16", "R18"}) {
    EXPECT_EQ(finding(diagnosis, rule), nullptr) << rule;
  }
}

// 11 | 12, and 12 has the write end of what 11 reads.
struct LeakIntoANeighbour : Leak {
  LeakIntoANeighbour() {
    stage.process(11).stdout_pipe(8);
    stage.process(12, "pv").parent(5).session(5).group(10).stdin_pipe(8).holds_write(9, 7);
    stage.process(12).polling();
  }
};

TEST_F(LeakIntoANeighbour, ThatWaitsBehindTheReader) {
  EXPECT_EQ(stuck(stage), "R11 pv 12 [11 5]");
  EXPECT_EQ(finding(diagnosed(stage), "R11")->certainty, Certainty::likely);
}

TEST_F(LeakIntoANeighbour, ThatWaitsBehindSomebodyBehindTheReader) {
  stage.process(12).get().descriptors->clear();
  stage.process(12).stdin_pipe(10).holds_write(9, 7);
  stage.process(13, "gzip").parent(5).session(5).group(10).stdin_pipe(8).stdout_pipe(10).reading(0);
  EXPECT_EQ(stuck(stage), "R11 pv 12 [11 5 13]");
}

TEST_F(LeakIntoANeighbour, IsNoneWhereItHasSomethingToRead) {
  stage.pipe(8).queued(10);
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(LeakIntoANeighbour, IsNoneWhereSomebodyElseFeedsIt) {
  stage.process(13, "curl").parent(5).session(5).group(10).stdout_pipe(8).polling();
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(LeakIntoANeighbour, IsNoneWhereSomethingElseMayWakeIt) {
  stage.process(12).unix_socket(4, 900);
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(LeakIntoANeighbour, IsNoneWhileItSleepsOfItsOwnAccord) {
  stage.process(12).sleeping();
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(Leak, IsNoneWhereANeighbourHasMovedItsOutput) {
  stage.process(10, "ssh").parent(5).session(5).group(10).holds_write(7, 7).polling();
  stage.process(10).tcp_socket(3, {.inode = 70, .state = 1});
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(Leak, IntoALeftBehindProcess) {
  stage.process(90, "sleep").parent(1).session(5).group(10).stdout_pipe(7).sleeping();
  EXPECT_EQ(stuck(stage), "R12 sleep 90 [11 5]");
  EXPECT_EQ(finding(diagnosed(stage), "R12")->certainty, Certainty::certain);
}

TEST_F(Leak, IsNoneWhileTheSleeperHasItsParent) {
  stage.process(10, "bash").parent(5).session(5).group(10).stdout_pipe(7).waiting_for_child();
  stage.process(90, "sleep").parent(10).session(5).group(10).stdout_pipe(7).sleeping();
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(Leak, IsNoneWhereProcessOneIsTheScript) {
  stage.process(1).group(1).session(1);
  stage.process(11).parent(1).group(1).session(1);
  stage.process(90, "sleep").parent(1).session(1).group(1).stdout_pipe(7).sleeping();
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(Leak, IntoAnSshMaster) {
  stage.process(90, "ssh").parent(1).session(90).stderr_pipe(7).polling();
  stage.process(90).arguments({"ssh: /home/u/.ssh/cm-host [mux]"});
  EXPECT_EQ(stuck(stage), "R13 ssh 90 [11 5]");
  EXPECT_NE(finding(diagnosed(stage), "R13")
                ->remedies.at(0)
                .command.find("ssh -O exit -o ControlPath=/home/u/.ssh/cm-host"),
            std::string::npos);
}

TEST_F(Leak, IntoAnAgent) {
  stage.process(90, "gpg-agent").parent(1).session(90).stdout_pipe(7).polling();
  EXPECT_EQ(stuck(stage), "R14 gpg-agent 90 [11 5]");
}

TEST_F(Leak, OfAnAgentThatHoldsAnotherPipeIsNone) {
  stage.process(90, "gpg-agent").parent(1).session(90).stdout_pipe(8).polling();
  stage.process(10, "a").parent(5).stdout_pipe(7).sleeping();
  stage.process(12, "b").parent(5).stdin_pipe(8).running();
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(Leak, IntoTheReaderItself) {
  stage.process(11).holds_write(3, 7);
  EXPECT_EQ(stuck(stage), "R15 cat 11 [5]");
}

TEST_F(Leak, IsNoneWhereAHandlerWritesToItsOwnLoop) {
  stage.process(11, "make").holds_read(4, 8).holds_write(5, 8).reading(4).catches(17);
  stage.process(10, "a").parent(5).stdout_pipe(7).running();
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(Leak, IsNoneWhereAnotherThreadWritesToItsOwnLoop) {
  stage.process(11).holds_read(4, 8).holds_write(5, 8).reading(4).thread(12).polling();
  stage.process(10, "a").parent(5).stdout_pipe(7).running();
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(Leak, IntoTheShellThatWaits) {
  stage.process(5).holds_write(4, 7);
  EXPECT_EQ(stuck(stage), "R16 bash 5 [11]");
}

TEST_F(Leak, IsNoneWhereTheParentMayStillFeed) {
  stage.process(5, "python3").arguments({"python3", "feed.py"}).holds_write(4, 7).polling();
  EXPECT_EQ(stuck(stage), "");
  stage.process(5).holds_read(3, 7).sleeping();
  EXPECT_EQ(stuck(stage), "");
}

struct DeadReader : ::testing::Test {
  DeadReader() {
    stage.process(5, "bash").session(5).group(5).waiting_for_child();
    stage.process(10, "gpg").parent(5).session(5).group(10).stdout_pipe(7).writing(1);
    stage.pipe(7).full();
  }
  Staged stage;
};

TEST_F(DeadReader, HasACopyOfItsEndWithAStranger) {
  stage.process(90, "sleep").parent(1).session(5).group(10).holds_read(5, 7).sleeping();
  EXPECT_EQ(stuck(stage), "R17 sleep 90 [10 5]");
}

TEST_F(DeadReader, IsNotDeadIfTheHolderHasItAsItsInput) {
  stage.process(90, "sleep").parent(1).session(5).group(10).stdin_pipe(7).sleeping();
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(DeadReader, IsNotDeadIfTheHolderPolls) {
  stage.process(90, "daemon").parent(1).session(90).holds_read(5, 7).polling();
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(Leak, IntoNoTableIsAHiddenHolder) {
  stage.pipe(7).has_writer(true);
  EXPECT_EQ(stuck(stage), "R18 outside [11 5]");
  EXPECT_TRUE(finding(diagnosed(stage), "R18")->hidden_holder);
}

TEST_F(Leak, IntoATableThatWeMayNotReadIsUnknownRatherThanStuck) {
  stage.pipe(7).has_writer(true);
  stage.process(90, "sudo").parent(5).session(5).group(10).untold();
  stage.machine().looker = 1000;
  EXPECT_EQ(stuck(stage), "");
  const Diagnosis diagnosis = diagnosed(stage);
  EXPECT_EQ(finding(diagnosis, "R18")->severity, Severity::info);
  ASSERT_FALSE(diagnosis.unknown.empty());
  EXPECT_NE(diagnosis.unknown[0].sentence.find("run as root"), std::string::npos);
}

TEST_F(Leak, IsNoneWhereTheInputComesFromOutsideOfTheContainer) {
  stage.pipe(7).has_writer(true);
  stage.process(5).parent(0).stdin_pipe(7);
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(Leak, IsNoneWhereTheReaderWasStartedBySomebodyWhomWeMayNotRead) {
  stage.pipe(7).has_writer(true);
  stage.process(4, "sshd").session(4).untold();
  stage.process(5).parent(4).stdin_pipe(7);
  EXPECT_EQ(stuck(stage), "");
  EXPECT_FALSE(diagnosed(stage).unknown.empty());
}

TEST_F(Leak, IsNoneOfAReaderWithoutASession) {
  stage.pipe(7).has_writer(true);
  stage.process(11).session(0);
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(Leak, IntoNoTableIsStuckEvenIfAStrangerMayNotBeRead) {
  stage.pipe(7).has_writer(true);
  stage.process(90, "rootd").session(90).untold();
  EXPECT_EQ(stuck(stage), "R18 outside [11 5]");
}

TEST(RemoteLeftover, IsAWordAboutAnIdleSsh) {
  Staged stage;
  stage.process(10, "ssh").parent(5).stdout_pipe(7).polling();
  stage.process(10).tcp_socket(3, {.inode = 70, .remote = "10.0.0.7:22", .state = 1});
  stage.process(11, "cat").parent(5).stdin_pipe(7).reading(0);
  EXPECT_EQ(finding(diagnosed(stage), "R19"), nullptr);
  stage.process(10).task().idle_s = 100;
  EXPECT_NE(finding(diagnosed(stage), "R19"), nullptr);
  EXPECT_EQ(stuck(stage), "");
}

}  // namespace
}  // namespace penstock::doctor
