#include "procfs/still_pipes.h"

#include <gtest/gtest.h>

namespace penstock::procfs {
namespace {

using Pipes = std::unordered_set<ino_t>;

// 20 reads from pipe 80, and has both ends of pipe 81 besides; 21 writes to pipe 80.
class StirredPipes : public ::testing::Test {
 protected:
  StirredPipes() {
    sleeper(20, {Call::read, 0}).descriptors = {reader(0, 80), reader(4, 81), writer(5, 81)};
    sleeper(21, {Call::sleep, 1}).descriptors = {writer(1, 80)};
    for (const ino_t pipe : {80, 81}) {
      now_.pipes[pipe] = {.inode = pipe, .has_writer = true, .has_reader = true};
    }
    earlier_ = now_;
  }
  Process& sleeper(pid_t pid, std::pair<Call, uint64_t> call) {
    Process& process = now_.processes[pid];
    Task task{.tid = pid, .state = 'S'};
    task.syscall = SyscallState{.call = call.first, .arguments = {call.second}};
    process.tasks = {task};
    return process;
  }
  static Descriptor reader(int fd, ino_t inode) {
    return {.fd = fd, .kind = FileKind::pipe, .inode = inode, .reads = true};
  }
  static Descriptor writer(int fd, ino_t inode) {
    return {.fd = fd, .kind = FileKind::pipe, .inode = inode, .writes = true};
  }
  Pipes stirred(const std::set<pid_t>& resting) { return stirred_pipes(earlier_, now_, resting); }

  Snapshot earlier_;
  Snapshot now_;
};

TEST_F(StirredPipes, AreThoseOfWhoeverHasRun) {
  EXPECT_EQ(stirred({}), (Pipes{80, 81}));
  EXPECT_EQ(stirred({21}), (Pipes{80, 81}));
}

TEST_F(StirredPipes, AreThoseSleptOn) {
  EXPECT_EQ(stirred({20, 21}), Pipes{80}) << "somebody whom we cannot see may be at its other end";
}

TEST_F(StirredPipes, AreThoseOfWhoeverHasGone) {
  earlier_.processes[22].descriptors = {writer(1, 81)};
  EXPECT_EQ(stirred({20, 21}), (Pipes{80, 81}));
}

TEST_F(StirredPipes, AreThoseThatSomebodyUnseenHolds) {
  earlier_.processes[20].descriptors = {reader(0, 80), reader(4, 81)};
  EXPECT_EQ(stirred({20, 21}), (Pipes{80, 81})) << "its writer is in no table";
}

TEST_F(StirredPipes, AreThoseThatCouldNotBeAsked) {
  earlier_.pipes[81].refused = "Too many open files";
  EXPECT_EQ(stirred({20, 21}), (Pipes{80, 81}));
}

TEST_F(StirredPipes, AreNamedOnes) {
  (*earlier_.processes[20].descriptors)[1].kind = FileKind::fifo;
  EXPECT_EQ(stirred({20, 21}), (Pipes{80, 81}));
}

TEST_F(StirredPipes, CanBeAnyOfOneWhoWaitsForSeveral) {
  sleeper(20, {Call::poll, 0x7f00});
  EXPECT_EQ(stirred({20, 21}), (Pipes{80, 81}));
  now_.processes[20].tasks.front().syscall.reset();
  EXPECT_EQ(stirred({20, 21}), (Pipes{80, 81}));
}

TEST_F(StirredPipes, ARegistersUpperHalfIsNoneOfTheDescriptor) {
  sleeper(20, {Call::read, 0x7fff00000004});
  EXPECT_EQ(stirred({20, 21}), (Pipes{80, 81})) << "21 is not told to sleep on pipe 80, yet may";
}

}  // namespace
}  // namespace penstock::procfs
