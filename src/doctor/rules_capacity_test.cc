#include <gtest/gtest.h>

#include "doctor/testing/diagnosed.h"

namespace penstock::doctor {
namespace {

using testing::diagnosed;
using testing::finding;
using testing::Staged;
using testing::stuck;
using testing::words;

// a | b, healthy: b is at work, and the pipe between is full.
struct Pipeline : ::testing::Test {
  Pipeline() {
    stage.process(10, "a").parent(5).group(10).session(5).user(1000).stdout_pipe(7).writing(1);
    stage.process(11, "b").parent(5).group(10).session(5).user(1000).stdin_pipe(7).running();
    stage.pipe(7).owner(1000).full();
  }
  bool says(const char* rule) { return finding(diagnosed(stage), rule) != nullptr; }
  Staged stage;
};

TEST_F(Pipeline, IsNothingToTalkAbout) {
  EXPECT_EQ(stuck(stage), "");
  EXPECT_EQ(words(stage), "");
}

TEST_F(Pipeline, FullBySlotsIsBackpressure) {
  stage.pipe(7).queued(32784);
  EXPECT_EQ(stuck(stage), "");
  const Diagnosis diagnosis = diagnosed(stage);
  ASSERT_NE(finding(diagnosis, "R06"), nullptr);
  EXPECT_EQ(finding(diagnosis, "R06")->severity, Severity::info);
  EXPECT_NE(finding(diagnosis, "R06")->sentence.find("full by slots at 50 %"), std::string::npos);
  stage.pipe(7).writable(true);
  EXPECT_FALSE(says("R06"));
}

TEST_F(Pipeline, ShrunkByTheLimitIsAWarningOnlyNearTheLimit) {
  stage.pipe(7).capacity(8192).full();
  EXPECT_EQ(finding(diagnosed(stage), "R07")->severity, Severity::info);
  for (ino_t pipe = 100; pipe < 170; ++pipe) stage.pipe(pipe).owner(1000).capacity(1 << 20);
  EXPECT_EQ(finding(diagnosed(stage), "R07")->severity, Severity::warning);
  EXPECT_EQ(finding(diagnosed(stage), "R07")->culprit.pid, 10);
}

TEST_F(Pipeline, OfRootIsNotLimited) {
  stage.pipe(7).owner(0).capacity(8192).full();
  EXPECT_FALSE(says("R07"));
}

TEST_F(Pipeline, ResizedByAKnownProgramIsAWord) {
  stage.pipe(7).capacity(1 << 20);
  EXPECT_FALSE(says("R08"));
  stage.process(11).arguments({"/usr/sbin/zfs", "receive", "x"});
  const Diagnosis diagnosis = diagnosed(stage);
  ASSERT_NE(finding(diagnosis, "R08"), nullptr);
  EXPECT_EQ(finding(diagnosis, "R08")->culprit.pid, 11);
  EXPECT_EQ(finding(diagnosis, "R08")->certainty, Certainty::likely);
}

TEST_F(Pipeline, ResizedMeanwhileIsCertain) {
  stage.later([](procfs::Snapshot& now) { now.pipes.at(7).capacity = 1 << 20; });
  const Diagnosis diagnosis = diagnosed(stage);
  ASSERT_NE(finding(diagnosis, "R08"), nullptr);
  EXPECT_EQ(finding(diagnosis, "R08")->certainty, Certainty::certain);
}

TEST_F(Pipeline, WithAGateHasItsSizeFromUs) {
  stage.pipe(7).capacity(1 << 20);
  stage.process(11).arguments({"zfs"});
  stage.process(12, "penstock").holds_write(11, 7).gate(12, 7, "");
  EXPECT_FALSE(says("R08"));
}

TEST_F(Pipeline, InPacketModeIsAWord) {
  stage.process(10).flags(1, 040000);
  EXPECT_EQ(words(stage), "R09");
}

TEST_F(Pipeline, NonBlockingOutputOfAPlainReaderIsAWarning) {
  stage.process(12, "cat").parent(5).stdin_pipe(8).stdout_pipe(9).reading(0);
  stage.process(13, "source").parent(5).stdout_pipe(8).running();
  stage.process(14, "sink").parent(5).stdin_pipe(9).reading(0);
  EXPECT_FALSE(says("R10"));
  stage.process(12).flags(1, O_NONBLOCK);
  ASSERT_TRUE(says("R10"));
  EXPECT_EQ(finding(diagnosed(stage), "R10")->culprit.pid, 12);
  stage.process(12).polling();
  EXPECT_FALSE(says("R10")) << "an event loop knows";
}

}  // namespace
}  // namespace penstock::doctor
