#include "spool/job_set.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>

namespace penstock::spool {
namespace {

ScannedJob job(uint64_t number, const std::string& name, int64_t created = 0, uint64_t inode = 0) {
  static uint64_t fresh = 1000;
  return {.name = name,
          .number = number,
          .created = {.seconds = created},
          .id = {.inode = inode != 0 ? inode : ++fresh}};
}

std::string names(const std::vector<ScannedJob>& jobs) {
  std::string text;
  for (const ScannedJob& job : jobs) text += (text.empty() ? "" : " ") + job.name;
  return text;
}

const SameContent kNever = [](const ScannedJob&, const ScannedJob&) { return false; };
const SameContent kAlways = [](const ScannedJob&, const ScannedJob&) { return true; };

TEST(JobSet, GivesTheJobWhoseTurnItIs) {
  const JobSet set({job(2, "b"), job(1, "a")});
  EXPECT_EQ(set.at(1, kNever).job->name, "a");
  EXPECT_EQ(set.at(2, kNever).job->name, "b");
  EXPECT_FALSE(set.at(3, kNever).job);
  EXPECT_FALSE(set.at(UINT64_MAX, kNever).job);
}

TEST(JobSet, D09_DuplicatesMatterOnlyWhenTheirTurnComes) {
  const JobSet set({job(0, "old1"), job(0, "old2"), job(1, "a"), job(9, "far1"), job(9, "far2")});
  const Turn turn = set.at(1, kNever);
  EXPECT_EQ(turn.job->name, "a");
  EXPECT_FALSE(turn.is_conflict());
}

TEST(JobSet, D09_IdenticalFilesCountAsOne) {
  const JobSet set({job(7, "b"), job(7, "a"), job(7, "c")});
  const Turn turn = set.at(7, kAlways);
  EXPECT_EQ(turn.job->name, "a");
  EXPECT_EQ(names(turn.copies), "b c");
  EXPECT_FALSE(turn.is_conflict());
}

TEST(JobSet, TheCopyThatWasTriedIsTheOneThatRuns) {
  const JobSet set({job(7, "b", 0, 5), job(7, "a", 0, 6)});
  Turn turn = set.at(7, kAlways);
  turn.prefer("b", 6);
  EXPECT_EQ(turn.job->name, "a");
  turn.prefer("b", 5);
  EXPECT_EQ(turn.job->name, "b");
  EXPECT_EQ(names(turn.copies), "a");
}

TEST(JobSet, TwoNamesOfOneFileAreIdenticalUnasked) {
  const JobSet set({job(7, "a", 0, 5), job(7, "b", 0, 5)});
  EXPECT_EQ(names(set.at(7, kNever).copies), "b");
}

TEST(JobSet, D09_ARealConflictNamesAll) {
  const JobSet set({job(7, "a"), job(7, "b\n"), job(7, "c")});
  const Turn turn =
      set.at(7, [](const ScannedJob&, const ScannedJob& other) { return other.name == "c"; });
  EXPECT_TRUE(turn.is_conflict());
  EXPECT_EQ(names(turn.copies), "c");
  EXPECT_TRUE(turn.is_copy(turn.copies.front()));
  EXPECT_FALSE(turn.is_copy(*turn.job));
  EXPECT_FALSE(turn.is_copy(turn.rivals.front()));
  EXPECT_EQ(turn.conflict_sentence(),
            "job 7: a and b\\x0a carry this number and differ; remove all but the right one");
}

TEST(JobSet, D08_SaysWhatItWaitsFor) {
  const JobSet set({job(3, "old"), job(9, "x"), job(12, "y"), job(12, "z")});
  EXPECT_EQ(set.gap(7)->sentence(), "waiting for job 7; 3 later jobs are here, the first is 9 (x)");
  EXPECT_EQ(set.gap(10)->sentence(),
            "waiting for job 10; 2 later jobs are here, the first is 12 (y)");
  EXPECT_FALSE(set.gap(9));
  EXPECT_FALSE(set.gap(13));
  EXPECT_EQ(JobSet({job(5, "x")}).gap(4)->sentence(),
            "waiting for job 4; 1 later job is here, 5 (x)");
  EXPECT_FALSE(JobSet().gap(1));
}

TEST(JobSet, D14_KnowsWhatIsOld) {
  const JobSet set({job(3, "c"), job(1, "a"), job(7, "g"), job(8, "h")});
  EXPECT_EQ(names(set.older_than(7)), "a c");
  EXPECT_EQ(names(set.older_than(0)), "");
}

TEST(JobSet, D33_LeavesNoTies) {
  const JobSet set(
      {job(1, "b", 5), job(2, "e", 5), job(1, "a", 5), job(1, "c", 4), job(0, "z", 9)});
  EXPECT_EQ(names(set.in_sequence()), "z c a b e");
}

TEST(JobSet, D33_OrdersByTimeThenNumberThenName) {
  const JobSet set({job(2, "d", 5), job(1, "c", 5), job(1, "b", 5), job(9, "a", -7)});
  EXPECT_EQ(names(set.in_time()), "a b c d");
}

TEST(JobSet, KnowsAFileByNameAndIdentity) {
  JobSet set({job(1, "a", 0, 5)});
  EXPECT_TRUE(set.knows("a", {.inode = 5}));
  EXPECT_FALSE(set.knows("a", {.inode = 6}));
  EXPECT_FALSE(set.knows("a", {.inode = 5, .size = 1}));
  EXPECT_FALSE(set.knows("b", {.inode = 5}));
}

TEST(JobSet, D10_AChangedFileTakesItsNewPlace) {
  JobSet set({job(1, "a", 0, 5), job(2, "b")});
  set.add(job(3, "a", 0, 6));
  EXPECT_EQ(set.size(), 2U);
  EXPECT_FALSE(set.at(1, kNever).job);
  EXPECT_EQ(set.at(3, kNever).job->name, "a");
}

TEST(JobSet, MayBeMoved) {
  JobSet first({job(1, "a"), job(2, "b")});
  JobSet set = std::move(first);
  set.remove("a");
  set.remove("nobody");
  EXPECT_EQ(names(set.in_sequence()), "b");
}

TEST(JobSet, KnowsWhichAreGuesses) {
  JobSet set({job(1, "a"), job(3, "b")});
  for (const auto& [number, name] : {std::pair(2, "c"), std::pair(3, "d"), std::pair(3, "e")}) {
    ScannedJob guess = job(static_cast<uint64_t>(number), name);
    guess.is_guess = true;
    set.add(guess);
  }
  EXPECT_EQ(names(set.guesses_at(3)), "d e");
  EXPECT_EQ(names(set.guesses_at(1)), "");
  EXPECT_EQ(names(set.first_guesses(2)), "c d");
  EXPECT_EQ(names(set.first_guesses(9)), "c d e");
  EXPECT_TRUE(set.has(2));
  EXPECT_FALSE(set.has(4));
  set.add(job(4, "d"));  // it was read, and is another one
  EXPECT_EQ(names(set.guesses_at(3)), "e");
  EXPECT_TRUE(set.has(4));
}

// Against a plain map: adding and removing in any order.
RC_GTEST_PROP(JobSet, BehavesLikeAMapOfNames, ()) {
  JobSet set;
  std::map<std::string, ScannedJob> model;
  const int steps = *rc::gen::inRange(0, 60);
  for (int i = 0; i < steps; ++i) {
    const std::string name(1, static_cast<char>(*rc::gen::inRange<int>('a', 'h')));
    if (*rc::gen::inRange(0, 3) == 0) {
      set.remove(name);
      model.erase(name);
      continue;
    }
    const ScannedJob added = job(*rc::gen::inRange<uint64_t>(0, 5), name, *rc::gen::inRange(0, 3));
    set.add(added);
    model.insert_or_assign(name, added);
  }
  std::vector<ScannedJob> expected;
  for (const auto& [name, job] : model) expected.push_back(job);
  std::ranges::sort(expected, by_number);
  RC_ASSERT(set.in_sequence() == expected);
  for (uint64_t number = 0; number < 6; ++number) {
    const Turn turn = set.at(number, kNever);
    const auto count =
        static_cast<size_t>(std::ranges::count(expected, number, &ScannedJob::number));
    RC_ASSERT((turn.job ? 1 : 0) + turn.rivals.size() == count);
    const auto later = static_cast<size_t>(std::ranges::count_if(
        expected, [&](const ScannedJob& job) { return job.number > number; }));
    RC_ASSERT(set.gap(number).has_value() == (count == 0 && later > 0));
  }
}

}  // namespace
}  // namespace penstock::spool
