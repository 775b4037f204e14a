#include "doctor/graph.h"

#include <gtest/gtest.h>

#include "doctor/testing/staged.h"

namespace penstock::doctor {
namespace {

using testing::Call;
using testing::Staged;

struct Drawn {
  explicit Drawn(const Staged& stage)
      : before(stage.before()), now(stage.now()), scene(before, now), graph(scene) {}
  procfs::Snapshot before;
  procfs::Snapshot now;
  Scene scene;
  WaitGraph graph;

  Node node(pid_t pid) const { return {.process = now.find(pid)->id(), .external = {}}; }
  // "10>11 pipe-full, 11>disk disk"
  std::string edges() const {
    std::string text;
    for (const Edge& edge : graph.edges()) {
      text += cat(text.empty() ? "" : ", ", edge.from.process.pid, ">");
      text += edge.to.is_external() ? edge.to.external : std::to_string(edge.to.process.pid);
      text += cat(" ", name_of(edge.kind));
    }
    return text;
  }
};

TEST(WaitGraph, LeadsFromWriterToReaderToWhatTheReaderWaitsFor) {
  Staged stage;
  stage.process(10, "a").stdout_pipe(7).writing(1);
  stage.process(11, "b").stdin_pipe(7).tty_fd(3, "/dev/tty1").reading(3, "wait_woken");
  stage.pipe(7).full();
  const Drawn drawn(stage);
  EXPECT_EQ(drawn.edges(), "10>11 pipe-full, 11>terminal /dev/tty1 terminal");
  EXPECT_EQ(drawn.graph.edges()[0].sentence, "a 10 waits to write to pipe 7, which b 11 reads");
  ASSERT_EQ(drawn.graph.sinks().size(), 1u);
  EXPECT_EQ(drawn.graph.sinks()[0].external, "terminal /dev/tty1");
  EXPECT_EQ(drawn.graph.victims_of(drawn.graph.sinks()[0]).size(), 2u);
}

TEST(WaitGraph, ASleeperWhoseWaitIsOverWaitsForNobody) {
  Staged stage;
  stage.process(10, "a").stdout_pipe(7).writing(1);
  stage.process(11, "b").stdin_pipe(7).reading(0);
  const Drawn drawn(stage);
  EXPECT_EQ(drawn.edges(), "11>10 pipe-empty");
}

TEST(WaitGraph, DrawsNothingForAPipeThatChanged) {
  Staged stage;
  stage.process(10, "a").stdout_pipe(7).writing(1);
  stage.process(11, "b").stdin_pipe(7).reading(0);
  stage.pipe(7).later_queued(65536, false);
  EXPECT_EQ(Drawn(stage).edges(), "");
}

TEST(WaitGraph, GoesThroughAGateToTheStageUpstream) {
  Staged stage;
  stage.process(10, "gpg").stdout_pipe(8).sleeping();
  stage.process(20, "penstock").holds_read(11, 8).holds_write(12, 9).polling().switches();
  stage.process(20).gate(13, 9,
                         "penstock-gate 1\npipe=9\nupstream=8\nstage=10 1010 gpg\n"
                         "stage=11 1011 zfs\n");
  stage.process(11, "zfs").stdin_pipe(9).reading(0);
  EXPECT_EQ(Drawn(stage).edges(), "11>10 gate");
}

TEST(WaitGraph, AChildOfTheCommandDoesNotWaitForTheCommandAtItsGate) {
  Staged stage;
  stage.process(20, "penstock").holds_write(12, 9).polling().switches();
  stage.process(20).gate(13, 9, "penstock-gate 1\npipe=9\nstage=10 1010 gpg\nstage=11 1011 sh\n");
  stage.process(10, "gpg").stdout_pipe(9).sleeping();
  stage.process(11, "sh").stdin_pipe(9).waiting_for_child();
  stage.process(12, "cat").parent(11).stdin_pipe(9).reading(0);
  EXPECT_EQ(Drawn(stage).edges(), "11>12 child, 12>10 gate");
  stage.process(10).zombie();
  EXPECT_EQ(Drawn(stage).edges(), "11>12 child, 12>20 gate");
  EXPECT_TRUE(Drawn(stage).graph.deadlocked().empty());
}

TEST(WaitGraph, SeesThroughOurRelayThatPolls) {
  Staged stage;
  stage.process(10, "zstdcat").stdout_pipe(8).writing(1);
  stage.process(20, "penstock").holds_read(11, 8).holds_write(12, 9).polling().switches();
  stage.process(20).gate(13, 9,
                         "penstock-gate 1\npipe=9\nupstream=8\nstage=10 1010 zstdcat\n"
                         "stage=11 1011 zfs\n");
  stage.process(11, "zfs").stdin_pipe(9).sleeping();
  stage.pipe(8).full();
  stage.pipe(9).full();
  const Drawn drawn(stage);
  EXPECT_EQ(drawn.edges(), "10>20 pipe-full, 20>11 pipe-full");
  EXPECT_EQ(drawn.graph.sinks(), std::vector<Node>{drawn.node(11)});
}

TEST(WaitGraph, TakesTheChildThatWasAskedFor) {
  Staged stage;
  stage.process(10, "sh").in(Call::wait, "do_wait", {12});
  stage.process(11, "a").parent(10);
  stage.process(12, "b").parent(10);
  EXPECT_EQ(Drawn(stage).edges(), "10>12 child");
  stage.process(10).in(Call::wait, "do_wait", {~uint64_t{0}});
  EXPECT_EQ(Drawn(stage).edges(), "10>11 child, 10>12 child");
}

TEST(WaitGraph, AWriterInsideZfsWaitsForItsReader) {
  Staged stage;
  stage.process(10, "zfs").stdout_pipe(7).in(Call::ioctl, "cv_wait_common").state('D');
  stage.process(11, "sleep").stdin_pipe(7).sleeping();
  stage.pipe(7).full();
  EXPECT_EQ(Drawn(stage).edges(), "10>11 pipe-full");
  stage.pipe(7).empty();
  EXPECT_EQ(Drawn(stage).edges(), "10>zpool disk");
}

TEST(WaitGraph, NamesTheOwnerOfALock) {
  Staged stage;
  stage.process(10, "a").in(Call::lock, "locks_lock_inode_wait", {3});
  stage.process(11, "b").sleeping();
  stage.both().locks = {{.number = 4, .kind = "FLOCK", .pid = 11, .inode = 99},
                        {.number = 4, .waits = true, .kind = "FLOCK", .pid = 10, .inode = 99}};
  EXPECT_EQ(Drawn(stage).edges(), "10>11 lock");
}

TEST(WaitGraph, PutsTheNearestVictimFirst) {
  Staged stage;
  stage.process(10, "sh").waiting_for_child();
  stage.process(11, "a").parent(10).stdout_pipe(7).writing(1);
  stage.process(12, "b").parent(10).stdin_pipe(7).stdout_pipe(8).writing(1);
  stage.process(13, "c").parent(10).stdin_pipe(8).sleeping();
  stage.pipe(7).full();
  stage.pipe(8).full();
  const Drawn drawn(stage);
  const std::vector<ProcessId> victims = drawn.graph.victims_of(drawn.node(13));
  ASSERT_EQ(victims.size(), 3u);
  EXPECT_EQ(victims[0].pid, 12);
}

TEST(WaitGraph, ACircleWithAWayOutIsNoDeadlock) {
  Staged stage;
  stage.process(10, "a").stdin_pipe(72).stdout_pipe(71).reading(0);
  stage.process(11, "b").stdin_pipe(71).stdout_pipe(72).reading(0);
  EXPECT_EQ(Drawn(stage).graph.deadlocked().size(), 2u);
  EXPECT_EQ(Drawn(stage).graph.cycles().size(), 1u);
  stage.process(12, "c").stdout_pipe(71).sleeping();
  EXPECT_TRUE(Drawn(stage).graph.deadlocked().empty());
  EXPECT_EQ(Drawn(stage).graph.cycles().size(), 1u);
}

TEST(WaitGraph, HasAtMostSoManyCycles) {
  Staged stage;
  for (pid_t pid = 10; pid < 40; ++pid) {
    stage.process(pid, "make").holds_read(3, 7).holds_write(4, 7).reading(3);
  }
  const Drawn drawn(stage);
  EXPECT_EQ(drawn.graph.cycles().size(), 64u);
}

}  // namespace
}  // namespace penstock::doctor
