#include "sys/pipe_race.h"

#include <gtest/gtest.h>

namespace penstock::sys {
namespace {

TEST(PipeRace, EndsInTimeAndLeavesNoChild) {
  using namespace std::chrono_literals;
  const auto began = std::chrono::steady_clock::now();
  const auto race = provoke_lost_wakeup(20, 2s);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 4s);
  if (race) {
    EXPECT_GE(race->attempts, 1);
    EXPECT_LE(race->attempts, 20);
  }
}

TEST(PipeRace, TriesNoLongerThanItMay) {
  EXPECT_FALSE(provoke_lost_wakeup(20, {}).has_value());
  EXPECT_FALSE(provoke_lost_wakeup(0, std::chrono::seconds(1)).has_value());
}

}  // namespace
}  // namespace penstock::sys
