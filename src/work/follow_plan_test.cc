#include "work/follow_plan.h"

#include <gtest/gtest.h>

#include <string>

namespace penstock::work {
namespace {

using namespace std::chrono_literals;
using Fate = FollowedEnd::Fate;
using News = FollowPlan::News;

class FollowPlanTest : public testing::Test {
 protected:
  // The keys whose turns begin now, in order; "!" behind one that is only looked at again.
  std::string begun() {
    std::string keys;
    plan_.wake(now_);
    while (const auto turn = plan_.begin()) {
      keys += std::to_string(turn->key) + (turn->is_second_look ? "!" : "") + " ";
    }
    return keys;
  }
  void end(FollowPlan::Key key, const FollowedEnd& end = {.fate = Fate::ran}, bool more = false) {
    plan_.end(key, end, more, now_);
  }
  // Adds them and has them run what is there.
  void rest(FollowPlan::Key count) {
    for (FollowPlan::Key key = 0; key < count; ++key) plan_.add(key);
    begun();
    for (FollowPlan::Key key = 0; key < count; ++key) end(key);
  }
  void pass(std::chrono::milliseconds time) { now_ += time; }
  std::optional<std::chrono::milliseconds> next_look() const {
    const auto next = plan_.next_look();
    if (!next) return std::nullopt;
    return std::chrono::duration_cast<std::chrono::milliseconds>(*next - now_);
  }

  FollowPlan plan_{60s};
  FollowPlan::Time now_{1000s};
};

TEST_F(FollowPlanTest, WhatComesFirstIsServedFirst) {
  rest(3);
  EXPECT_EQ(begun(), "");
  plan_.tell(2, News::arrival);
  plan_.tell(0, News::arrival);
  plan_.tell(2, News::arrival);
  EXPECT_TRUE(plan_.others_wait());
  EXPECT_EQ(begun(), "2 0 ");
  EXPECT_FALSE(plan_.others_wait());
}

TEST_F(FollowPlanTest, WhatComesWhileAQueueIsAtWorkIsAnotherTurnBehindTheOthers) {
  rest(2);
  plan_.tell(0, News::arrival);
  EXPECT_EQ(begun(), "0 ");
  plan_.tell(0, News::arrival);
  plan_.tell(1, News::arrival);
  end(0);
  EXPECT_EQ(begun(), "1 0 ");
  end(0);
  end(1);
  EXPECT_EQ(begun(), "") << "one turn for all that came";
}

TEST_F(FollowPlanTest, OneThatMadeRoomComesAgainBehindTheOthers) {
  rest(2);
  plan_.tell(0, News::arrival);
  begun();
  plan_.tell(1, News::arrival);
  end(0, {.fate = Fate::ran}, true);
  EXPECT_EQ(begun(), "1 0 ");
}

TEST_F(FollowPlanTest, EachIsLookedAtOnceInAWhileAndBeforeIfSomethingIsDue) {
  rest(2);
  EXPECT_EQ(next_look(), 60s);
  plan_.tell(1, News::arrival);
  begun();
  end(1, {.fate = Fate::ran, .again = 2s});
  EXPECT_EQ(next_look(), 2s);
  pass(2s);
  EXPECT_EQ(begun(), "1 ");
  EXPECT_EQ(next_look(), 58s) << "what is at work is not due";
  end(1, {.fate = Fate::ran, .again = 600s});
  pass(58s);
  EXPECT_EQ(begun(), "0 ");
  pass(2s);
  EXPECT_EQ(begun(), "1 ");
}

TEST_F(FollowPlanTest, WhatIsDueWaitsForALaneLikeAllOthers) {
  rest(1);
  pass(60s);
  plan_.wake(now_);
  EXPECT_EQ(next_look(), std::nullopt) << "or the clock would be set for the past";
  EXPECT_TRUE(plan_.others_wait());
  EXPECT_EQ(begun(), "0 ");
}

TEST_F(FollowPlanTest, OneThatAJobBlocksWaitsForAChange) {
  rest(1);
  plan_.tell(0, News::arrival);
  begun();
  plan_.tell(0, News::arrival);
  end(0, {.fate = Fate::blocked});
  EXPECT_TRUE(plan_.is_given_up(0) && plan_.all_are_given_up());
  plan_.tell(0, News::arrival);
  EXPECT_EQ(next_look(), std::nullopt);
  pass(1h);
  EXPECT_EQ(begun(), "");
  plan_.tell(0, News::change);
  EXPECT_FALSE(plan_.is_given_up(0));
  EXPECT_EQ(begun(), "0 ");
}

TEST_F(FollowPlanTest, AChangeWhileItFailedIsAnotherChance) {
  rest(1);
  plan_.tell(0, News::arrival);
  begun();
  plan_.tell(0, News::change);
  end(0, {.fate = Fate::blocked});
  EXPECT_EQ(begun(), "0 ");
}

TEST_F(FollowPlanTest, ABrokenOneIsLookedAtAgainAndSaysSo) {
  rest(1);
  for (const Fate fate : {Fate::broken, Fate::unknown}) {
    plan_.tell(0, News::change);
    EXPECT_EQ(begun(), "0 ");
    end(0, {.fate = fate});
    EXPECT_TRUE(plan_.is_given_up(0));
    plan_.tell(0, News::arrival);
    EXPECT_EQ(begun(), "");
    pass(60s);
    EXPECT_EQ(begun(), "0! ");
    end(0, {.fate = fate});
    pass(60s);
    plan_.wake(now_);
    plan_.tell(0, News::change);
    EXPECT_EQ(begun(), "0 ") << "something is new, after all";
    end(0);
    EXPECT_FALSE(plan_.is_given_up(0));
  }
}

TEST_F(FollowPlanTest, WithoutAProcessTheTurnIsPutOff) {
  rest(1);
  plan_.tell(0, News::arrival);
  const auto turn = plan_.begin();
  ASSERT_TRUE(turn);
  plan_.put_off(*turn, now_, 2s);
  EXPECT_EQ(begun(), "");
  pass(2s);
  EXPECT_EQ(begun(), "0 ");
}

TEST_F(FollowPlanTest, OneThatIsGoneHasNoTurn) {
  rest(2);
  plan_.tell(0, News::arrival);
  plan_.tell(1, News::arrival);
  plan_.remove(0);
  plan_.tell(0, News::arrival);
  EXPECT_EQ(begun(), "1 ");
  EXPECT_FALSE(plan_.all_are_given_up());
}

}  // namespace
}  // namespace penstock::work
