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

// Killed again while it removes: the next one must see what this one saw.
TEST(CarriedRange, StaysUntilRecoveryHasFinished) {
  const RecoveryRange own = {
      .first = 8, .before = {.seconds = 3000}, .boot = "B", .sequence_inode = 9};
  RunRecord second = {.range = carried_range(killed_run(), own)};
  EXPECT_EQ(second.range, killed_run().range);
  EXPECT_EQ(verdict(second, after_power_cut(), {job(5), job(6, 2000)}), "5 | 6");
  second.range = own;
  EXPECT_EQ(verdict(second, after_power_cut(), {job(5)}), " | 5");
}

TEST(CarriedRange, IsTheRunsOwnWhereNothingIsToBeRecovered) {
  const RecoveryRange own = {.first = 8};
  EXPECT_EQ(carried_range(std::nullopt, own), own);
  RunRecord run = killed_run();
  run.never_delete = true;
  EXPECT_EQ(carried_range(run, own), own);
  run = killed_run();
  run.ended = true;
  EXPECT_EQ(carried_range(run, own), own);
}

}  // namespace
}  // namespace penstock::spool
