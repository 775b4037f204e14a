#include "spool/recovery.h"

#include <gtest/gtest.h>

namespace penstock::spool {
namespace {

// A run that began at job 5 at time 1000 in boot A, is at job 7 and was killed.
RunRecord killed_run() {
  return {.pid = 4711,
          .range = {.first = 5, .before = {.seconds = 1000}, .boot = "A", .sequence_inode = 9},
          .job = JobInFlight{.number = 7, .file = "fspl-7.fspl", .inode = 70, .done = true}};
}

OldJob job(uint64_t number, int64_t arrived = 500) {
  return {.name = "fspl-" + std::to_string(number) + ".fspl",
          .number = number,
          .id = {.inode = number * 10, .modified = {.seconds = 100}},
          .changed = {.seconds = arrived}};
}

std::string numbers(const std::vector<OldJob>& jobs) {
  std::string text;
  for (const OldJob& job : jobs) text += (text.empty() ? "" : " ") + std::to_string(job.number);
  return text;
}

// "removed | reported"
std::string verdict(const std::optional<RunRecord>& last, const QueueState& state,
                    std::vector<OldJob> jobs) {
  const Recovery recovery = recover(last, state, std::move(jobs));
  return numbers(recovery.remove) + " | " + numbers(recovery.report);
}

constexpr auto after_kill = [] { return QueueState{.next = 8, .sequence_inode = 9, .boot = "A"}; };
constexpr auto after_power_cut = [] {
  return QueueState{.next = 8, .sequence_inode = 9, .boot = "B"};
};

TEST(Recovery, RemovesTheJobThatWasKilledBetweenCommitAndRemoval) {
  EXPECT_EQ(verdict(killed_run(), after_kill(), {job(7), job(8), job(9)}), "7 | ");
  EXPECT_EQ(verdict(killed_run(), after_kill(), {job(7, 2000)}), "7 | ");  // however young
}

TEST(Recovery, LeavesAJobThatWasNotDone) {
  RunRecord run = killed_run();
  run.job->done = false;  // skipped by hand since
  EXPECT_EQ(verdict(run, after_kill(), {job(7)}), " | 7");
}

TEST(Recovery, LeavesAnotherFileOfThatNameOrNumber) {
  OldJob other = job(7);
  other.id.inode = 71;
  EXPECT_EQ(verdict(killed_run(), after_kill(), {other}), " | 7");
  other = job(7);
  other.name = "fspl-copy.fspl";
  EXPECT_EQ(verdict(killed_run(), after_kill(), {other}), " | 7");
}

TEST(Recovery, NeverTouchesAJobThatIsToRun) {
  const QueueState uncommitted = {.next = 7, .sequence_inode = 9, .boot = "B"};
  EXPECT_EQ(verdict(killed_run(), uncommitted, {job(7), job(8)}), " | ");
}

TEST(Recovery, RemovesWhatAPowerCutBroughtBack) {
  EXPECT_EQ(verdict(killed_run(), after_power_cut(), {job(4), job(5), job(6), job(7), job(8)}),
            "5 6 7 | 4");
}

TEST(Recovery, LeavesWhatCameAfterTheRunBegan) {
  EXPECT_EQ(verdict(killed_run(), after_power_cut(), {job(5, 1000), job(6, 999)}), "6 | 5");
  OldJob fresh = job(5);
  fresh.id.modified = {.seconds = 1000};
  EXPECT_EQ(verdict(killed_run(), after_power_cut(), {fresh}), " | 5");
}

TEST(Recovery, WithinOneBootOnlyTheJobInFlightCanBeLeft) {
  EXPECT_EQ(verdict(killed_run(), after_kill(), {job(5), job(6), job(7)}), "7 | 5 6");
}

TEST(Recovery, LeavesEverythingOnceSomebodyElseHasSetTheNumber) {
  QueueState state = after_power_cut();
  state.sequence_inode = 10;  // fspl queue-set-next 100: jobs 8 to 99 never ran
  state.next = 100;
  EXPECT_EQ(verdict(killed_run(), state, {job(6), job(8), job(99)}), " | 6 8 99");
}

// Its inode's number came back to a nextseq that fspl has made.
TEST(Recovery, KnowsTheNumberFileByItsTimeOfBirthAsWell) {
  RunRecord run = killed_run();
  run.range.sequence_born = {.seconds = 400};
  QueueState state = after_power_cut();
  EXPECT_EQ(verdict(run, state, {job(6)}), "6 | ");  // the file system tells none
  state.sequence_born = {.seconds = 400};
  EXPECT_EQ(verdict(run, state, {job(6)}), "6 | ");
  state.sequence_born.nanoseconds = 1;
  EXPECT_EQ(verdict(run, state, {job(6)}), " | 6");
}

TEST(Recovery, AnUnknownBootIsAnotherOne) {
  RunRecord run = killed_run();
  run.range.boot = "";
  QueueState state = after_kill();
  state.boot = "";
  EXPECT_EQ(verdict(run, state, {job(5)}), "5 | ");
}

TEST(Recovery, RemovesNothingUnderLeaveOrNeverDelete) {
  RunRecord leave = killed_run();
  leave.on_error = OnError::leave;
  EXPECT_EQ(verdict(leave, after_power_cut(), {job(5), job(7)}), " | 5 7");
  RunRecord keep = killed_run();
  keep.never_delete = true;
  EXPECT_EQ(verdict(keep, after_power_cut(), {job(5), job(7)}), " | 5 7");
}

// fdatasync or unlink has failed, and the run has said so and ended.
TEST(Recovery, RemovesOnlyTheJobInFlightAfterAnErrorBetweenCommitAndRemoval) {
  RunRecord ended = killed_run();
  ended.ended = true;
  EXPECT_EQ(verdict(ended, after_power_cut(), {job(5), job(7)}), "7 | 5");
}

TEST(Recovery, ReportsAllWithoutARecord) {
  EXPECT_EQ(verdict(std::nullopt, after_power_cut(), {job(5), job(7), job(8)}), " | 5 7");
}

// Job 7 was in flight, and nextseq holds no number any more.
class DamagedNumber : public ::testing::Test {
 protected:
  DamagedNumber() {
    run_.range.sequence_born = {.seconds = 400};
    run_.job->is_next = true;
    run_.job->done = false;
  }
  // "7", or "-" where nobody can know.
  std::string number(bool job_is_there) const {
    const auto found = number_before_damage(run_, state_, job_is_there);
    return found ? std::to_string(*found) : "-";
  }

  RunRecord run_ = killed_run();
  QueueState state_{.sequence_inode = 9, .sequence_born = {.seconds = 400}, .boot = "A"};
};

TEST_F(DamagedNumber, IsThatOfTheJobInFlightOrTheNextOne) {
  EXPECT_EQ(number(true), "7");
  run_.job->done = true;
  EXPECT_EQ(number(true), "8");
  EXPECT_EQ(number(false), "8");
  run_.ended = true;
  EXPECT_EQ(number(true), "8");
}

TEST_F(DamagedNumber, IsUnknownWhereSomebodyElseHasTakenTheJob) {
  EXPECT_EQ(number(false), "-");
}

TEST_F(DamagedNumber, IsUnknownAfterAPowerCut) {
  state_.boot = "B";
  EXPECT_EQ(number(true), "-");
  state_.boot = "";
  run_.range.boot = "";
  EXPECT_EQ(number(true), "-");
}

TEST_F(DamagedNumber, IsUnknownInAFileOfSomebodyElse) {
  state_.sequence_inode = 10;
  EXPECT_EQ(number(true), "-");
  state_.sequence_inode = 9;
  state_.sequence_born.nanoseconds = 1;
  EXPECT_EQ(number(true), "-");
  state_.sequence_born = {};
  run_.range.sequence_born = {};
  EXPECT_EQ(number(true), "-");
}

TEST_F(DamagedNumber, IsUnknownWhereTheRecordSaysNothingAboutIt) {
  EXPECT_EQ(number_before_damage(std::nullopt, state_, true), std::nullopt);
  run_.job->is_next = false;  // in order of time, or by an earlier version
  EXPECT_EQ(number(true), "-");
  run_.job->is_next = true;
  run_.on_error = OnError::leave;  // goes on without a word
  EXPECT_EQ(number(true), "-");
  run_.on_error = OnError::retry;
  EXPECT_EQ(number(true), "7");
  run_.never_delete = true;
  EXPECT_EQ(number(true), "-");
  run_.never_delete = false;
  run_.job.reset();
  EXPECT_EQ(number(true), "-");
}

TEST_F(DamagedNumber, IsUnknownBehindTheLastNumberThereIs) {
  run_.job->number = UINT64_MAX;
  run_.job->done = true;
  EXPECT_EQ(number(true), "-");
}

// A run that was killed during its scan had read the number, and its record holds the last run's
// job.
TEST(CarryOver, KeepsOnlyWhatTheNumberAgreesWith) {
  const auto is_next = [](uint64_t number, bool done, uint64_t inode = 9) {
    RunRecord last = killed_run();
    last.job->is_next = true;
    last.job->done = done;
    return carry_over(last, {.range = {.first = number, .sequence_inode = inode}}).job->is_next;
  };
  EXPECT_TRUE(is_next(7, false));
  EXPECT_TRUE(is_next(7, true));
  EXPECT_TRUE(is_next(8, true));
  EXPECT_FALSE(is_next(8, false));
  EXPECT_FALSE(is_next(9, true));
  EXPECT_FALSE(is_next(6, true));
  EXPECT_FALSE(is_next(7, false, 0));  // in order of time
}

// fspl has succeeded with a job meanwhile, or somebody has acted through it.
TEST(CarryOver, ForgetsTheRowInTheQuarantineWithTheNumberFile) {
  RunRecord last = killed_run();
  last.row.add(5, "fspl-5.fspl");
  const auto count = [&](uint64_t inode) {
    return carry_over(last, {.range = {.sequence_inode = inode}}).row.count;
  };
  EXPECT_EQ(count(9), 1U);
  EXPECT_EQ(count(10), 0U);
  EXPECT_EQ(count(0), 1U);  // in order of time
}

TEST(CarryOver, RemembersThatTheJobWasInterrupted) {
  RunRecord run = killed_run();
  EXPECT_EQ(carry_over(run, {}).job->end, "interrupted");
  run.job->end = "failed: exit 3";
  EXPECT_EQ(carry_over(run, {}).job->end, "failed: exit 3");
}

// Killed again while it removes: the next one must see what this one saw.
TEST(CarryOver, KeepsTheRangeUntilRecoveryHasFinished) {
  const RunRecord own = {
      .range = {.first = 8, .before = {.seconds = 3000}, .boot = "B", .sequence_inode = 9}};
  const RunRecord second = carry_over(killed_run(), own);
  EXPECT_EQ(second.range, killed_run().range);
  EXPECT_EQ(verdict(second, after_power_cut(), {job(5), job(6, 2000)}), "5 | 6");
  EXPECT_EQ(verdict(own, after_power_cut(), {job(5)}), " | 5");
}

// A run under Leave removes nothing of its own, but what came back is not its own.
TEST(CarryOver, KeepsThePolicyThatTheRangeStandsUnder) {
  RunRecord leave = {.on_error = OnError::leave, .never_delete = true};
  EXPECT_EQ(verdict(carry_over(killed_run(), leave), after_power_cut(), {job(5)}), "5 | ");
  EXPECT_EQ(carry_over(std::nullopt, leave), leave);
}

TEST(CarryOver, LeavesTheRunItsOwnRangeWhereNothingIsToBeRecovered) {
  const RunRecord own = {.range = {.first = 8}};
  EXPECT_EQ(carry_over(std::nullopt, own), own);
  RunRecord run = killed_run();
  run.never_delete = true;
  EXPECT_EQ(carry_over(run, own).range, own.range);
  run = killed_run();
  run.ended = true;
  EXPECT_EQ(carry_over(run, own).range, own.range);
  EXPECT_EQ(carry_over(run, own).job, run.job);  // its attempts
}

}  // namespace
}  // namespace penstock::spool
