#include <gtest/gtest.h>

#include "doctor/testing/diagnosed.h"

namespace penstock::doctor {
namespace {

using testing::Call;
using testing::diagnosed;
using testing::finding;
using testing::Staged;
using testing::stuck;
using testing::words;

// A parent and its child, with pipes for the child's three streams.
struct Family : ::testing::Test {
  Family() {
    stage.process(10, "parent").holds_write(4, 70).holds_read(5, 71).holds_read(6, 72);
    stage.process(11, "child").parent(10).group(10).session(10);
    stage.process(11).stdin_pipe(70).stdout_pipe(71).stderr_pipe(72);
  }
  Staged stage;
};

TEST_F(Family, WaitsForTheEndBeforeReading) {
  stage.process(10).waiting_for_child();
  stage.process(11).writing(1);
  stage.pipe(71).full();
  EXPECT_EQ(stuck(stage), "R20 parent 10 [11]");
  EXPECT_EQ(finding(diagnosed(stage), "R20")->certainty, Certainty::certain);
}

TEST_F(Family, WaitsForTheEndByWayOfAShell) {
  stage.process(10).waiting_for_child();
  stage.process(11, "sh").waiting_for_child();
  stage.process(12, "grandchild").parent(11).stdout_pipe(71).writing(1);
  stage.pipe(71).full();
  EXPECT_EQ(stuck(stage), "R20 parent 10 [12 11]");
}

TEST_F(Family, WhereAnotherThreadReadsIsHealthy) {
  stage.process(10).waiting_for_child().thread(19).running();
  stage.process(11).writing(1);
  stage.pipe(71).full();
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(Family, WhereAnotherProcessReadsIsHealthy) {
  stage.process(10).waiting_for_child();
  stage.process(11).writing(1);
  stage.process(12, "slow").stdin_pipe(71).sleeping();
  stage.pipe(71).full();
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(Family, DrainsOutputBeforeErrors) {
  stage.process(10).reading(5);
  stage.process(11).writing(2);
  stage.pipe(72).full();
  EXPECT_EQ(stuck(stage), "R21 parent 10 [11]");
}

TEST_F(Family, DrainsOutputWhileTheChildWorks) {
  stage.process(10).reading(5);
  stage.process(11).running();
  stage.pipe(72).full();
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(Family, FeedsEverythingFirst) {
  stage.process(10).writing(4);
  stage.process(11).writing(1);
  stage.pipe(70).full();
  stage.pipe(71).full();
  EXPECT_EQ(stuck(stage), "R22 parent 10 [11]");
}

TEST_F(Family, FeedsAChildThatWritesElsewhere) {
  stage.process(10).writing(4);
  stage.process(11).writing(2);
  stage.process(12, "slow").stdin_pipe(72).running();
  stage.pipe(70).full();
  stage.pipe(72).full();
  EXPECT_EQ(stuck(stage), "");
}

TEST(SelfPipe, IsFull) {
  Staged stage;
  stage.process(10, "loop").holds_read(3, 7).holds_write(4, 7).writing(4);
  stage.pipe(7).full();
  EXPECT_EQ(stuck(stage), "R23 loop 10 []");
  stage.process(10).thread(11).polling();
  EXPECT_EQ(stuck(stage), "") << "the other thread may read it";
}

TEST_F(Family, ClosesOnePopenWhileTheSecondChildHasIt) {
  // The first child reads; the second one has inherited its write end, and reads, too.
  stage.process(10).waiting_for_child().holds_write(7, 73);
  stage.process(11).reading(0);
  stage.process(12, "second").parent(10).group(10).session(10).stdin_pipe(73).holds_write(4, 70);
  stage.process(12).reading(0);
  EXPECT_EQ(stuck(stage), "R24 parent 10 [11 12]");
}

TEST_F(Family, FeedingAnIdleChildIsHealthy) {
  stage.process(10).sleeping();
  stage.process(11).reading(0);
  EXPECT_EQ(stuck(stage), "");
}

TEST(Circle, OfThreeIsProofIfNobodyElseCanEndIt) {
  Staged stage;
  stage.process(10, "a").stdin_pipe(73).stdout_pipe(71).reading(0);
  stage.process(11, "b").stdin_pipe(71).stdout_pipe(72).reading(0);
  stage.process(12, "c").stdin_pipe(72).stdout_pipe(73).reading(0);
  EXPECT_EQ(stuck(stage), "R25 a 10 [11 12]");
  stage.process(13, "feeder").holds_write(5, 72).running();
  EXPECT_EQ(stuck(stage), "");
}

// A neighbour of the reader's was left with the write end: the circle says which end that is.
TEST(Circle, TellsOfAnEndThatIsHeldByMistake) {
  Staged stage;
  stage.process(10, "a").stdin_pipe(73).stdout_pipe(71).reading(0);
  stage.process(11, "b").stdin_pipe(71).holds_write(7, 73).reading(0);
  EXPECT_EQ(stuck(stage), "R25 a 10 [11]");
  const std::vector<std::string> facts = finding(diagnosed(stage), "R25")->evidence;
  EXPECT_EQ(facts.back(), "b 11 has the write end of pipe 73 at descriptor 7, perhaps by mistake");
  EXPECT_EQ(facts.size(), 3U);
}

TEST(Circle, OfTwoThatPollIsOnlyPossible) {
  Staged stage;
  stage.process(10, "a").stdin_pipe(72).stdout_pipe(71).polling();
  stage.process(11, "b").stdin_pipe(71).stdout_pipe(72).reading(0);
  EXPECT_EQ(stuck(stage), "");
  const Diagnosis diagnosis = diagnosed(stage);
  ASSERT_NE(finding(diagnosis, "R25"), nullptr);
  EXPECT_EQ(finding(diagnosis, "R25")->certainty, Certainty::possible);
  EXPECT_EQ(finding(diagnosis, "R25")->severity, Severity::info);
}

struct Jobserver : ::testing::Test {
  Jobserver() {
    for (const pid_t pid : {20, 21}) {
      stage.process(pid, "make").holds_read(3, 7).holds_write(4, 7).reading(3).catches(17);
    }
    stage.process(21).parent(20);
    stage.process(22, "cc").parent(21).zombie();
  }
  Staged stage;
};

TEST_F(Jobserver, HasLostItsToken) {
  EXPECT_EQ(stuck(stage), "R26 make 20 [21]");
}

TEST_F(Jobserver, IsHealthyWhileAJobRuns) {
  stage.process(23, "cc").parent(20).holds_read(3, 7).holds_write(4, 7).running();
  stage.process(23).uses_cpu(100);
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(Jobserver, IsHealthyWhereTheDeadAreReaped) {
  stage.process(22).vanishes();
  stage.process(23, "cc").parent(21).holds_write(4, 7).sleeping();
  EXPECT_EQ(stuck(stage), "");
}

}  // namespace
}  // namespace penstock::doctor
