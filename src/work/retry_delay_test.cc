#include "work/retry_delay.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace penstock::work {
namespace {

using namespace std::chrono_literals;

TEST(RetryDelay, DoublesUpToTheMost) {
  const RetryDelay delay{.least = 60s, .most = 3600s};
  EXPECT_EQ(delay.after(1), 60s);
  EXPECT_EQ(delay.after(2), 120s);
  EXPECT_EQ(delay.after(6), 1920s);
  EXPECT_EQ(delay.after(7), 3600s);
  EXPECT_EQ(delay.after(UINT32_MAX), 3600s);
}

TEST(RetryDelay, MayBeOneLength) {
  const RetryDelay delay{.least = 90s, .most = 90s};
  EXPECT_EQ(delay.after(1), 90s);
  EXPECT_EQ(delay.after(5), 90s);
}

TEST(RetryDelay, OfTheLongestLengthsDoesNotOverflow) {
  const RetryDelay delay{.least = 31'536'000s, .most = 31'536'000s};
  EXPECT_EQ(delay.after(UINT32_MAX), 31'536'000s);
  EXPECT_EQ(RetryDelay{}.after(UINT32_MAX), 0s);
}

TEST(RetryDelay, CountsFromTheFailure) {
  const RetryDelay delay{.least = 60s, .most = 3600s};
  const Timestamp failed{.seconds = 1000, .nanoseconds = 5};
  EXPECT_EQ(next_attempt_due(delay, 2, failed), (Timestamp{.seconds = 1120, .nanoseconds = 5}));
}

TEST(ClockText, TellsTheDateOnlyWhereItIsAnother) {
  ::setenv("TZ", "UTC", 1);
  const Timestamp now{.seconds = 1795366801};  // 2026-11-22 17:00:01
  EXPECT_EQ(clock_text({.seconds = 1795366800}, now), "17:00:00");
  EXPECT_EQ(clock_text({.seconds = 1795366800 + 86400}, now), "2026-11-23 17:00:00");
}

}  // namespace
}  // namespace penstock::work
