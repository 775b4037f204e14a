#include "sys/signals.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace penstock::sys {
namespace {

volatile sig_atomic_t arrived = 0;

TEST(SignalsHeld, WaitUntilItsEnd) {
  struct sigaction before {};
  struct sigaction counting {};
  counting.sa_handler = [](int /*signal*/) { arrived = arrived + 1; };
  ASSERT_EQ(::sigaction(SIGTERM, &counting, &before), 0);
  {
    const SignalsHeld held;
    ::kill(::getpid(), SIGTERM);
    EXPECT_EQ(arrived, 0);
  }
  EXPECT_EQ(arrived, 1);
  ::sigaction(SIGTERM, &before, nullptr);
}

TEST(SignalsHeld, LeavesWhatWasBlockedBefore) {
  const sigset_t usr1 = signal_set({SIGUSR1});
  sigset_t before{};
  pthread_sigmask(SIG_BLOCK, &usr1, &before);
  { const SignalsHeld held; }
  sigset_t now{};
  pthread_sigmask(SIG_BLOCK, nullptr, &now);
  EXPECT_EQ(sigismember(&now, SIGUSR1), 1);
  EXPECT_EQ(sigismember(&now, SIGTERM), 0);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace
}  // namespace penstock::sys
