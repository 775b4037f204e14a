#include "base/time.h"

#include <gtest/gtest.h>

namespace penstock {
namespace {

TEST(Rfc3339, ShowsUtcAsFsplDoes) {
  EXPECT_EQ(rfc3339_utc({.seconds = 1700000000, .nanoseconds = 999999999}), "2023-11-14T22:13:20Z");
  EXPECT_EQ(rfc3339_utc({.seconds = -86401, .nanoseconds = 7}), "1969-12-30T23:59:59Z");
  EXPECT_EQ(rfc3339_utc({.seconds = -62135596800}), "0001-01-01T00:00:00Z");
}

TEST(Rfc3339, ShowsFarYearsWithASign) {
  EXPECT_EQ(rfc3339_utc({.seconds = 253402300800}), "+10000-01-01T00:00:00Z");
  EXPECT_EQ(rfc3339_utc({.seconds = -62198755200}), "-0001-01-01T00:00:00Z");
}

TEST(Rfc3339, ShowsLeapSeconds) {
  EXPECT_EQ(rfc3339_utc({.seconds = 59, .nanoseconds = 1'000'000'000}), "1970-01-01T00:00:60Z");
  EXPECT_EQ(rfc3339_utc({.seconds = 10, .nanoseconds = 1'000'000'000}), "1970-01-01T00:00:11Z");
}

TEST(Timestamp, KnowsWhatCanBeShown) {
  EXPECT_TRUE(is_representable({.seconds = kMaxSeconds, .nanoseconds = 1'999'999'999}));
  EXPECT_FALSE(is_representable({.seconds = kMaxSeconds + 1}));
  EXPECT_FALSE(is_representable({.seconds = 0, .nanoseconds = 2'000'000'000}));
}

}  // namespace
}  // namespace penstock
