#include "pipeline/verdict.h"

#include <gtest/gtest.h>

#include <csignal>

namespace penstock::pipeline {
namespace {

using sys::ExitStatus;

constexpr auto kReads = LastReader::reads_to_the_end;

Verdict::Kind kind(std::vector<std::optional<ExitStatus>> statuses, std::vector<int> also_good = {},
                   LastReader reader = kReads) {
  std::vector<StageEnd> stages;
  for (const auto& status : statuses) stages.push_back({.name = "x", .status = status});
  return judge(stages, also_good, reader).kind;
}

const ExitStatus kGood = ExitStatus::exited(0);
const ExitStatus kBad = ExitStatus::exited(2);
const ExitStatus kPipe = ExitStatus::killed(SIGPIPE);

TEST(Verdict, IsGoodOnlyWhenEveryStageExitedZero) {
  EXPECT_EQ(kind({}), Verdict::Kind::good);
  EXPECT_EQ(kind({kGood, kGood}), Verdict::Kind::good);
  EXPECT_EQ(kind({kBad, kGood}), Verdict::Kind::bad);
  EXPECT_EQ(kind({kGood, ExitStatus::killed(SIGKILL)}), Verdict::Kind::bad);
  EXPECT_EQ(kind({kGood, std::nullopt}), Verdict::Kind::pending);
}

TEST(Verdict, IsBadAsSoonAsOneStageFailed) {
  EXPECT_EQ(kind({std::nullopt, kBad}), Verdict::Kind::bad);
}

TEST(Verdict, ExcusesSigpipeOnlyWhereTheReaderWasContent) {
  EXPECT_EQ(kind({kPipe, kGood}), Verdict::Kind::good);
  EXPECT_EQ(kind({kPipe, kBad}), Verdict::Kind::bad);
  EXPECT_EQ(kind({kPipe, std::nullopt}), Verdict::Kind::pending);
  EXPECT_EQ(kind({kGood, kPipe}), Verdict::Kind::bad);
  EXPECT_EQ(kind({kGood, kPipe}, {}, LastReader::ended_well), Verdict::Kind::good);
}

TEST(Verdict, DoesNotExcuseAnExitStatusOf141) {
  EXPECT_EQ(kind({ExitStatus::exited(141), kGood}), Verdict::Kind::bad);
}

TEST(Verdict, TakesTheStatusesItWasToldToTake) {
  EXPECT_EQ(kind({kBad}, {2}), Verdict::Kind::good);
  EXPECT_EQ(kind({ExitStatus::killed(SIGINT)}, {2}), Verdict::Kind::bad);
}

TEST(Verdict, NamesTheFirstThatFailed) {
  const std::vector<StageEnd> stages = {{.name = "gpg", .status = kBad},
                                        {.name = "zstdcat", .status = ExitStatus::exited(1)}};
  const Verdict verdict = judge(stages, {}, kReads);
  EXPECT_EQ(verdict.stage, 0U);
  EXPECT_EQ(verdict.sentence, "gpg exited 2");
}

}  // namespace
}  // namespace penstock::pipeline
