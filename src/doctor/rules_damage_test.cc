#include <gtest/gtest.h>

#include <csignal>

#include "doctor/stop_policy.h"
#include "doctor/testing/examined.h"

namespace penstock::doctor {
namespace {

using testing::Call;
using testing::Examined;
using testing::Staged;
using Pids = std::vector<pid_t>;

constexpr int kExitedWith2 = 2 << 8;

Examined examine(const Staged& stage) {
  return {stage, damage_rules()};
}

// gpg 20 | zfs 21, both of shell 10; gpg has ended.
void stage_dead_gpg(Staged& stage, int status) {
  stage.process(10, "sh").waiting_for_child();
  stage.process(20, "gpg").parent(10).group(20).zombie(status);
  stage.process(21, "zfs").parent(10).group(20).stdin_pipe(7).running();
}

TEST(R42, AFailedStageBeforeALivingReader) {
  Staged stage;
  stage_dead_gpg(stage, kExitedWith2);
  const Examined seen = examine(stage);
  EXPECT_EQ(seen.culprit("R42"), 20);
  EXPECT_EQ(seen.at("R42").severity, Severity::warning);
  EXPECT_EQ(seen.at("R42").certainty, Certainty::likely);
  EXPECT_EQ(seen.victims("R42"), Pids{21});
  EXPECT_NE(seen.sentence("R42").find("exited 2"), std::string::npos) << seen.sentence("R42");
}

TEST(R42, IsCertainIfItWasSeenWriting) {
  Staged stage;
  stage_dead_gpg(stage, SIGSEGV);
  stage.earlier([](procfs::Snapshot& before) {
    procfs::Process& gpg = before.processes.at(20);
    gpg.stat.state = 'R';
    gpg.exit_status.reset();
    gpg.descriptors->push_back(
        {.fd = 1, .kind = procfs::FileKind::pipe, .inode = 7, .writes = true});
  });
  EXPECT_EQ(examine(stage).culprit("R42"), 20);
  EXPECT_EQ(examine(stage).at("R42").certainty, Certainty::certain);
}

TEST(R42, AGateKnowsItsStages) {
  Staged stage;
  stage.process(10, "gatekeeper")
      .epolling(3)
      .gate(11, 7,
            "penstock-gate 1\npipe=7\nstate=shut\nqueue=q\njob=7 x\nupstream=0\n"
            "stage=20 1020 gpg\nstage=21 1021 zfs\n");
  stage.process(20, "gpg").parent(10).group(1).zombie(kExitedWith2);
  stage.process(21, "zfs").parent(10).group(2).stdin_pipe(7).reading(0);
  EXPECT_EQ(examine(stage).culprit("R42"), 20);
  EXPECT_EQ(examine(stage).at("R42").certainty, Certainty::certain);
  EXPECT_TRUE(examine(stage).at("R42").remedies.empty());
}

TEST(R42, SuccessAndSigpipeAreGoodEnds) {
  for (const int status : {0, SIGPIPE}) {
    Staged stage;
    stage_dead_gpg(stage, status);
    EXPECT_FALSE(examine(stage).has("R42")) << status;
  }
}

TEST(R42, AnotherJobOfTheShellIsNotItsReader) {
  Staged stage;
  stage_dead_gpg(stage, kExitedWith2);
  stage.process(21).group(21);
  EXPECT_FALSE(examine(stage).has("R42"));
}

TEST(R42, WhoeverIsNotLookedAtIsNotTalkedAbout) {
  Staged stage;
  stage_dead_gpg(stage, kExitedWith2);
  stage.process(20).not_looked_at();
  stage.process(21).not_looked_at();
  EXPECT_FALSE(examine(stage).has("R42"));
}

// yes 20 writes to a pipe without readers.
void stage_deaf(Staged& stage) {
  stage.process(20, "pv").stdout_pipe(7).ignores(SIGPIPE).running().uses_cpu(180);
  stage.pipe(7).has_reader(false);
}

TEST(R43, AWriterThatIgnoresSigpipeSpins) {
  Staged stage;
  stage_deaf(stage);
  const Examined seen = examine(stage);
  EXPECT_EQ(seen.culprit("R43"), 20);
  EXPECT_TRUE(seen.is_stuck("R43"));
}

TEST(R43, OneThatReadsOnComesToAnEnd) {
  Staged stage;
  stage_deaf(stage);
  stage.process(20).moves_bytes(1 << 20, 0);
  EXPECT_EQ(examine(stage).culprit("R43"), 20);
  EXPECT_FALSE(examine(stage).is_stuck("R43"));
}

TEST(R43, WhoeverStillWritesElsewhereIsAtWork) {
  Staged stage;
  stage_deaf(stage);
  stage.process(20).moves_bytes(1 << 20, 1 << 20);
  EXPECT_FALSE(examine(stage).has("R43"));
}

TEST(R43, WithoutSigpipeIgnoredItDiesByItself) {
  Staged stage;
  stage_deaf(stage);
  stage.process(20).get().signals_ignored = 0;
  EXPECT_FALSE(examine(stage).has("R43"));
}

// tail 20 feeds grep 21 under shell 10; nobody reads grep's output.
void stage_idle(Staged& stage) {
  stage.process(20, "tail").parent(10).session(10).stdout_pipe(7).polling();
  stage.process(21, "grep").parent(10).session(10).stdin_pipe(7).stdout_pipe(8).reading(0);
  stage.pipe(8).has_reader(false);
}

TEST(R44, AnIdleStageWhoseReaderIsGone) {
  Staged stage;
  stage_idle(stage);
  const Examined seen = examine(stage);
  EXPECT_EQ(seen.culprit("R44"), 21);
  EXPECT_TRUE(seen.is_stuck("R44"));
}

TEST(R44, SaysWhoWaitsForAnEndThatItHasByMistake) {
  Staged stage;
  stage_idle(stage);
  stage.process(21).holds_write(7, 10);
  stage.process(22, "cat").stdin_pipe(10).reading(0);
  const Examined seen = examine(stage);
  const std::vector<std::string>& facts = seen.at("R44").evidence;
  EXPECT_NE(std::ranges::find(facts, cat("cat 22 waits to read from pipe 10, which ",
                                         name_of(stage.process(21).get()), " writes")),
            facts.end());
}

TEST(R44, SomebodyStillReads) {
  Staged stage;
  stage_idle(stage);
  stage.pipe(8).has_reader(true);
  EXPECT_FALSE(examine(stage).has("R44"));
}

TEST(R44, ADaemonLivesWellWithABrokenOutput) {
  Staged stage;
  stage_idle(stage);
  stage.process(21).parent(1);
  EXPECT_FALSE(examine(stage).has("R44"));
}

TEST(R45, AHelperEatsOfTheInput) {
  Staged stage;
  stage.process(20, "sh").stdin_pipe(7).reading(0);
  stage.process(21, "ssh").parent(20).stdin_pipe(7).reading(0);
  const Examined seen = examine(stage);
  EXPECT_EQ(seen.culprit("R45"), 21);
  EXPECT_EQ(seen.at("R45").severity, Severity::warning);
  EXPECT_EQ(seen.victims("R45"), Pids{20});
}

TEST(R45, AShellThatWaitsForItsCommandDoesNotRead) {
  Staged stage;
  stage.process(20, "sh").stdin_pipe(7).waiting_for_child();
  stage.process(21, "cat").parent(20).stdin_pipe(7).reading(0);
  EXPECT_FALSE(examine(stage).has("R45"));
}

TEST(R45, AHelperThatBeganJustNow) {
  Staged stage;
  stage.process(20, "sh").stdin_pipe(7).reading(0);
  stage.process(21, "ssh").parent(20).stdin_pipe(7).reading(0);
  stage.earlier([](procfs::Snapshot& before) { before.processes.at(21).descriptors->clear(); });
  EXPECT_FALSE(examine(stage).has("R45"));
}

TEST(R45, AJobserverIsMeantToBeShared) {
  Staged stage;
  stage.process(20, "make").holds_read(3, 7).reading(3);
  stage.process(21, "make").holds_read(3, 7).reading(3);
  EXPECT_FALSE(examine(stage).has("R45"));
}

TEST(R46, ZfsIsNotToBeStopped) {
  Staged stage;
  stage.process(20, "zstdcat").stdout_pipe(7).running();
  stage.process(21, "zfs").stdin_pipe(7).in(Call::ioctl, "anon_pipe_read");
  const Examined seen = examine(stage);
  EXPECT_EQ(seen.culprit("R46"), 21);
  EXPECT_EQ(seen.at("R46").severity, Severity::info);
  EXPECT_TRUE(forbids_stop(*seen.scene().find(21)));
  EXPECT_FALSE(forbids_stop(*seen.scene().find(20)));
}

TEST(R46, ByItsFirstArgumentAsWell) {
  Staged stage;
  stage.process(21, "wrapper").arguments({"/sbin/btrfs", "receive", "/mnt"});
  EXPECT_TRUE(forbids_stop(stage.process(21).get()));
  stage.process(22, "ls").arguments({"ls", "btrfs"});
  EXPECT_FALSE(forbids_stop(stage.process(22).get()));
}

TEST(R46, OutsideAPipelineThereIsNothingToSay) {
  Staged stage;
  stage.process(21, "zfs").in(Call::ioctl, "cv_wait_common");
  EXPECT_FALSE(examine(stage).has("R46"));
}

}  // namespace
}  // namespace penstock::doctor
