#include "spool/sequence_lock.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "base/error.h"
#include "spool/support_test.h"
#include "sys/files.h"

namespace penstock::spool {
namespace {

using namespace testing;
using namespace std::chrono_literals;
using Side = SequenceLock::Side;

class SequenceLockTest : public ::testing::Test {
 protected:
  std::optional<SequenceLock> take(Side side = Side::sender, std::chrono::nanoseconds limit = {}) {
    return SequenceLock::take(file_, side, limit);
  }
  const Scratch scratch_;
  const std::string file_ = scratch_.path("st.txt");
};

TEST_F(SequenceLockTest, LiesBesideTheFileAsNamed) {
  ASSERT_EQ(::mkdir(scratch_.path("d").c_str(), 0777), 0);
  ASSERT_EQ(::symlink("d/real", file_.c_str()), 0);
  const auto lock = take();
  EXPECT_EQ(list(scratch_.path()), "d st.txt st.txt.lock");
  EXPECT_EQ(list(scratch_.path("d")), "");
  EXPECT_EQ(read_file(file_ + ".lock"), "");
}

TEST_F(SequenceLockTest, IsHeldByOneAtATimeAndStaysWhenFreed) {
  {
    const auto first = take();
    ASSERT_TRUE(first);
    EXPECT_FALSE(take());
  }
  EXPECT_TRUE(take());
  EXPECT_TRUE(exists(file_ + ".lock"));
}

TEST_F(SequenceLockTest, LastsAsLongAsADuplicate) {
  auto lock = take();
  sys::UniqueFd keeper = sys::duplicate(lock->fd());
  lock.reset();
  EXPECT_FALSE(take());
  keeper.reset();
  EXPECT_TRUE(take());
}

TEST_F(SequenceLockTest, IsOutOfTheWayOfAChild) {
  const auto lock = take();
  EXPECT_GE(lock->fd(), sys::kLowestFd);
  EXPECT_NE(::fcntl(lock->fd(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(SequenceLockTest, AQueueWithoutOneIsAppendOnly) {
  try {
    take(Side::queue);
    FAIL();
  } catch (const Error& error) {
    EXPECT_TRUE(error.is(ENOENT));
    EXPECT_NE(error.message().find("append-only"), std::string::npos) << error.message();
  }
  EXPECT_EQ(list(scratch_.path()), "");
}

TEST_F(SequenceLockTest, WaitsAsLongAsItWasTold) {
  auto held = take();
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(take(Side::queue, 50ms));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 50ms);
  std::jthread other([&] {
    std::this_thread::sleep_for(30ms);
    held.reset();
  });
  EXPECT_TRUE(take(Side::queue, std::chrono::nanoseconds::max()));
}

TEST_F(SequenceLockTest, IsNotTheOneWhoseNameIsGone) {
  auto held = take();
  ASSERT_EQ(::unlink((file_ + ".lock").c_str()), 0);
  const auto fresh = take();
  ASSERT_TRUE(fresh);
  EXPECT_FALSE(take());
  held.reset();
  EXPECT_FALSE(take());
}

TEST_F(SequenceLockTest, RefusesWhatIsNoRegularFile) {
  ASSERT_EQ(::mkfifo((file_ + ".lock").c_str(), 0666), 0);
  EXPECT_THROW(take(Side::queue), Error);
}

TEST_F(SequenceLockTest, IsRespectedByFsplAndFlock) {
  PENSTOCK_NEEDS_FSPL();
  auto lock = take();
  EXPECT_EQ(shell("fspl prepare-get-next -s " + file_).status, 1);
  EXPECT_EQ(shell("flock -n " + file_ + ".lock true").status, 1);
  lock.reset();
  EXPECT_EQ(shell("fspl prepare-get-next -s " + file_).status, 0);
}

TEST_F(SequenceLockTest, RespectsALockOfAnotherProgram) {
  write_file(file_ + ".lock", "");
  for (const std::string kind : {"-x", "-s"}) {
    // It says when it has the lock, and holds it until it is told to go.
    const std::string ready = scratch_.path("ready");
    const std::string go = scratch_.path("go");
    ASSERT_EQ(::mkfifo(ready.c_str(), 0666), 0);
    ASSERT_EQ(::mkfifo(go.c_str(), 0666), 0);
    std::jthread other([&] {
      shell("flock " + kind + " " + file_ + ".lock bash -c 'echo > " + ready + "; read < " + go +
            "'");
    });
    read_file(ready);
    EXPECT_FALSE(take(Side::queue)) << kind;
    write_file(go, "\n");
    EXPECT_TRUE(take(Side::queue, 10s)) << kind;
    other.join();
    ::unlink(ready.c_str());
    ::unlink(go.c_str());
  }
}

}  // namespace
}  // namespace penstock::spool
