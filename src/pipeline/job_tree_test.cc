#include "pipeline/job_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace penstock::pipeline {
namespace {

using procfs::PipeEnd;
using procfs::ProcessStat;

// A process table with the keeper as pid 10; add(), then members().
class JobTreeTest : public testing::Test {
 protected:
  static constexpr pid_t kKeeper = 10;

  void add(pid_t pid, pid_t parent, std::vector<ino_t> pipes, pid_t group = 1, pid_t session = 1) {
    all_.push_back({.pid = pid,
                    .comm = "p",
                    .state = 'S',
                    .parent = parent,
                    .group = group,
                    .session = session,
                    .start_time = static_cast<uint64_t>(pid)});
    std::vector<PipeEnd> ends;
    for (const ino_t inode : pipes) ends.push_back({.fd = 0, .inode = inode, .reads = true});
    ends_[pid] = ends;
  }
  void hide_descriptors_of(pid_t pid) { ends_.erase(pid); }
  void call(pid_t pid, const char* name) {
    std::ranges::find(all_, pid, &ProcessStat::pid)->comm = name;
  }
  void make_kernel_thread(pid_t pid) {
    std::ranges::find(all_, pid, &ProcessStat::pid)->kernel_thread = true;
  }
  bool only_daemons_read(ino_t pipe) const {
    return is_read_only_by("daemon", pipe, all_, ends_of());
  }
  std::vector<pid_t> members() {
    std::vector<pid_t> pids;
    for (const ProcessStat& process : find_members(tree_, all_, kKeeper, ends_of())) {
      pids.push_back(process.pid);
    }
    std::ranges::sort(pids);
    return pids;
  }

  JobTree tree_{.stages = {{.pid = 20, .start_time = 20}}, .data_pipes = {100}};

 private:
  PipeEndsOf ends_of() const {
    return [this](pid_t pid) -> std::optional<std::vector<PipeEnd>> {
      const auto found = ends_.find(pid);
      if (found == ends_.end()) return std::nullopt;
      return found->second;
    };
  }

  std::vector<ProcessStat> all_;
  std::map<pid_t, std::vector<PipeEnd>> ends_;
};

using Pids = std::vector<pid_t>;

TEST_F(JobTreeTest, HasItsStagesWhereverTheyWent) {
  add(20, kKeeper, {}, 20, 20);  // has called setsid and closed everything
  EXPECT_EQ(members(), (Pids{20}));
}

TEST_F(JobTreeTest, TakesNobodyForAStageWhoOnlyHasItsNumber) {
  tree_.stages = {{.pid = 20, .start_time = 19}};
  add(20, kKeeper, {});
  EXPECT_EQ(members(), Pids{});
}

TEST_F(JobTreeTest, HasHoldersOfADataPipeInAnySession) {
  add(20, kKeeper, {100});
  add(30, 20, {100}, 30, 30);
  EXPECT_EQ(members(), (Pids{20, 30}));
}

TEST_F(JobTreeTest, FollowsTheInnerPipesOfItsMembers) {
  add(20, kKeeper, {100, 200});
  add(30, 20, {200, 300}, 30, 30);
  add(40, 30, {300}, 40, 40);
  EXPECT_EQ(members(), (Pids{20, 30, 40}));
}

TEST_F(JobTreeTest, LeavesADaemonAloneThatHoldsNothingOfIt) {
  add(20, kKeeper, {100});
  add(30, kKeeper, {}, 30, 30);  // gpg-agent
  EXPECT_EQ(members(), (Pids{20}));
}

TEST_F(JobTreeTest, DoesNotCountTheCallersPipesAndStderr) {
  tree_.foreign_pipes = {7};
  add(20, kKeeper, {100, 7});
  add(30, kKeeper, {7}, 30, 30);
  EXPECT_EQ(members(), (Pids{20}));
}

TEST_F(JobTreeTest, HasNoStageOfAnotherJobThatHoldsItsGateWhileItIsStarted) {
  add(20, kKeeper, {100});
  add(30, kKeeper, {100, 300});
  add(31, kKeeper, {300});
  EXPECT_EQ(members(), (Pids{20, 30, 31}));
  tree_.others = {30, 31};
  EXPECT_EQ(members(), Pids{20});
}

TEST_F(JobTreeTest, HasItsWholeProcessGroupInTheKeepersSession) {
  tree_.group = 20;
  tree_.session = kKeeper;
  add(20, kKeeper, {100}, 20, kKeeper);
  add(30, 20, {}, 20, kKeeper);
  add(40, 20, {}, 20, 40);  // the number in another session is another group
  EXPECT_EQ(members(), (Pids{20, 30}));
}

TEST_F(JobTreeTest, HasTheWholeSessionOfADeadKeeper) {
  tree_.session = kKeeper;
  tree_.whole_session = true;
  tree_.stages.clear();
  add(30, 1, {}, 30, kKeeper);  // not below us
  add(40, kKeeper, {}, 40, kKeeper);
  add(50, kKeeper, {}, 50, 50);  // gpg-agent
  EXPECT_EQ(members(), (Pids{40}));
}

TEST_F(JobTreeTest, HasTheUnreadableChildrenOfItsMembers) {
  add(20, kKeeper, {100});  // sudo
  add(30, 20, {}, 30, 30);  // zfs, which root started
  hide_descriptors_of(30);
  add(40, kKeeper, {}, 40, 40);
  hide_descriptors_of(40);
  EXPECT_EQ(members(), (Pids{20, 30}));
}

TEST_F(JobTreeTest, IsMadeOfDescendantsOnly) {
  add(20, kKeeper, {100});
  add(50, 1, {100});  // a stranger, say the doctor, who looks at the pipe
  EXPECT_EQ(members(), (Pids{20}));
}

// Who reads a gate besides the daemon that takes nothing without its end mark.
class GateReadersTest : public JobTreeTest {
 protected:
  GateReadersTest() {
    add(1, 0, {});
    add(30, 1, {100});
    call(30, "daemon");
    add(31, 1, {200});
  }
};

TEST_F(GateReadersTest, AreTheDaemonOnly) {
  EXPECT_TRUE(only_daemons_read(100));
  EXPECT_FALSE(only_daemons_read(200));
  EXPECT_FALSE(only_daemons_read(300));  // nobody that we see
  add(32, 1, {100});
  EXPECT_FALSE(only_daemons_read(100));
}

TEST_F(GateReadersTest, MayBeAnybodyWhoseDescriptorsCannotBeRead) {
  hide_descriptors_of(31);
  EXPECT_FALSE(only_daemons_read(100));
}

TEST_F(GateReadersTest, AreNoThreadsOfTheKernel) {
  hide_descriptors_of(31);
  make_kernel_thread(31);
  EXPECT_TRUE(only_daemons_read(100));
}

TEST_F(GateReadersTest, MayBeOutsideOfWhatProcShows) {
  EXPECT_FALSE(is_read_only_by(
      "daemon", 100, {{.pid = 30, .comm = "daemon", .state = 'S'}},
      [](pid_t) { return std::vector{PipeEnd{.fd = 0, .inode = 100, .reads = true}}; }));
}

}  // namespace
}  // namespace penstock::pipeline
