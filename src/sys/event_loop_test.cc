#include "sys/event_loop.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <memory>
#include <thread>

#include "sys/files.h"
#include "sys/pipe.h"

namespace penstock::sys {
namespace {

using namespace std::chrono_literals;

TEST(EventLoop, CallsWhoIsConcerned) {
  EventLoop loop;
  const Pipe pipe = Pipe::make();
  int calls = 0;
  const Watch watch(loop, pipe.read.get(), EPOLLIN, [&](uint32_t) { ++calls; });
  write_all(pipe.write.get(), "x", "pipe");
  loop.turn();
  EXPECT_EQ(calls, 1);
}

long times_asleep() {
  rusage used{};
  ::getrusage(RUSAGE_THREAD, &used);
  return used.ru_nvcsw;
}

// How often this thread goes to sleep in a turn at whose end, after 20 ms, a timer is due.
long sleeps_in_a_turn(std::chrono::microseconds patience) {
  EventLoop loop;
  int calls = 0;
  Timer timer(loop, [&] { ++calls; });
  timer.set(20ms);
  const long before = times_asleep();
  loop.turn(patience);
  EXPECT_EQ(calls, 1);
  return times_asleep() - before;
}

TEST(EventLoop, LooksAgainWhileItHasPatience) {
  EXPECT_EQ(sleeps_in_a_turn(60s), 0);
}

TEST(EventLoop, SleepsOnceItsPatienceIsOver) {
  EXPECT_GT(sleeps_in_a_turn(10us), 0);
}

TEST(EventLoop, DoesNotCallAWatchThatLeftInTheSameTurn) {
  EventLoop loop;
  const Pipe first = Pipe::make();
  const Pipe second = Pipe::make();
  std::unique_ptr<Watch> one;
  std::unique_ptr<Watch> other;
  int calls = 0;
  one = std::make_unique<Watch>(loop, first.read.get(), EPOLLIN, [&](uint32_t) {
    ++calls;
    other.reset();
  });
  other = std::make_unique<Watch>(loop, second.read.get(), EPOLLIN, [&](uint32_t) {
    ++calls;
    one.reset();
  });
  write_all(first.write.get(), "x", "pipe");
  write_all(second.write.get(), "x", "pipe");
  loop.turn();
  EXPECT_EQ(calls, 1);
}

TEST(Timer, FiresOnceAndMayDestroyItself) {
  EventLoop loop;
  int calls = 0;
  std::unique_ptr<Timer> timer;
  timer = std::make_unique<Timer>(loop, [&] {
    ++calls;
    timer.reset();
  });
  timer->set(1ms);
  loop.run_until([&] { return timer == nullptr; });
  EXPECT_EQ(calls, 1);
}

TEST(Timer, StaysSilentOnceCleared) {
  EventLoop loop;
  int calls = 0;
  Timer cleared(loop, [&] { ++calls; });
  cleared.set(1ms);
  cleared.clear();
  bool later = false;
  Timer other(loop, [&] { later = true; });
  other.set(20ms);
  loop.run_until([&] { return later; });
  EXPECT_EQ(calls, 0);
}

TEST(Wakeup, ReachesTheLoopFromAnotherThread) {
  EventLoop loop;
  bool woken = false;
  const Wakeup wakeup(loop, [&] { woken = true; });
  std::thread other([&] { wakeup.signal(); });
  loop.run_until([&] { return woken; });
  other.join();
  EXPECT_TRUE(woken);
}

}  // namespace
}  // namespace penstock::sys
