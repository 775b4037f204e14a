#include "cli/args.h"

#include <gtest/gtest.h>

#include <vector>

#include "cli/command_table.h"
#include "cli/value.h"

namespace penstock::cli {
namespace {

enum class OnError { retry, remove, leave, quarantine };

// The words of a queue-process that is otherwise complete.
Arguments process(std::vector<const char*> words) {
  words.insert(words.begin(), {"queue-process", "-q", "q", "true"});
  Request request = parse_command_line(kCommandTable, words);
  return std::move(std::get<Invocation>(request).arguments);
}

TEST(Arguments, GiveDefaultsOfTheTable) {
  const Arguments none = process({});
  EXPECT_FALSE(none.has("stall-after"));
  EXPECT_EQ(none.seconds("stall-after"), std::chrono::seconds(30));
  EXPECT_EQ(none.number("maxjobs"), std::nullopt);
  EXPECT_EQ(none.value("decoder"), std::nullopt);
  EXPECT_EQ(none.seconds("timeout"), std::nullopt);
  EXPECT_EQ(none.size("pipe-size"), std::nullopt);
  EXPECT_TRUE(none.statuses("decoder-ok").empty());
  EXPECT_EQ(none.text("verify"), "during");
  EXPECT_TRUE(process({"--stall-after", "30"}).has("stall-after"));
}

TEST(Arguments, KnowWhatTheCommandHas) {
  EXPECT_TRUE(process({}).knows("close-fds"));
  EXPECT_FALSE(process({}).knows("keep-fds"));
}

TEST(Arguments, PickTranslatesInAnyCase) {
  auto on_error = [](const Arguments& given) {
    return given.pick<OnError>("on-error", {{"Retry", OnError::retry},
                                            {"Delete", OnError::remove},
                                            {"Leave", OnError::leave},
                                            {"quarantine", OnError::quarantine}});
  };
  EXPECT_EQ(on_error(process({})), OnError::retry);
  EXPECT_EQ(on_error(process({"--on-error=lEAVE"})), OnError::leave);
  EXPECT_EQ(on_error(process({"--on-error", "QUARANTINE"})), OnError::quarantine);
  EXPECT_EQ(process({}).pick<int>("gate", {{"hold", 1}}), std::nullopt);
}

TEST(Arguments, SecondsNeverOverflowAClock) {
  EXPECT_EQ(process({"--timeout", "18446744073709551615"}).seconds("timeout"), Arguments::kLongest);
  EXPECT_EQ(process({"--timeout", "7"}).seconds("timeout"), std::chrono::seconds(7));
}

TEST(Arguments, StatusesAndSizesAreConverted) {
  EXPECT_EQ(process({"--decoder-ok", "2,75"}).statuses("decoder-ok"), (std::vector<int>{2, 75}));
  EXPECT_EQ(process({"--pipe-size=64K"}).size("pipe-size"), 65536U);
  EXPECT_EQ(process({"--pipe-size=Max"}).size("pipe-size"), kMaxSize);
}

TEST(ParseStatuses, TakesOneTo255) {
  EXPECT_EQ(parse_statuses("1"), std::vector<int>{1});
  EXPECT_EQ(parse_statuses("255,1"), (std::vector<int>{255, 1}));
  for (const char* text : {"", "0", "256", "1,", ",1", "1,,2", "1 2", "a"}) {
    EXPECT_EQ(parse_statuses(text), std::nullopt) << text;
  }
}

TEST(ParseDelays, UnderstandsUnits) {
  using namespace std::chrono_literals;
  EXPECT_EQ(parse_delays("30"), (Delays{.least = 30s, .most = 30s}));
  EXPECT_EQ(parse_delays("1m..1H"), (Delays{.least = 60s, .most = 3600s}));
  EXPECT_EQ(parse_delays("90s..1d"), (Delays{.least = 90s, .most = 86400s}));
  EXPECT_EQ(parse_delays("5..5"), (Delays{.least = 5s, .most = 5s}));
  for (const char* text : {"", "..", "1m..", "..1m", "1h..1m", "1m-1h", "m", "1 m", "1.5m", "-1",
                           "1m..1h..1d", "99999999999d", "1w"}) {
    EXPECT_EQ(parse_delays(text), std::nullopt) << text;
  }
}

TEST(ParseSize, UnderstandsSuffixes) {
  EXPECT_EQ(parse_size("4096"), 4096U);
  EXPECT_EQ(parse_size("1m"), 1U << 20U);
  EXPECT_EQ(parse_size("17179869183G"), 17179869183U * (uint64_t{1} << 30U));
  for (const char* text : {"", "K", "1KB", "17179869184G", "1.5M", "-1", "maxi"}) {
    EXPECT_EQ(parse_size(text), std::nullopt) << text;
  }
}

TEST(ValueProblem, SaysTheRange) {
  const Option wait{.name = "w", .value_name = "S", .value = Value::seconds, .min = 1, .max = 9};
  EXPECT_EQ(value_problem(wait, "9"), std::nullopt);
  EXPECT_EQ(value_problem(wait, "0"), "'0' is not a whole number of seconds from 1 to 9");
  const Option size{.name = "s", .value_name = "B", .value = Value::size, .min = 4096, .max = 8192};
  EXPECT_EQ(value_problem(size, "max"), std::nullopt);
  EXPECT_EQ(value_problem(size, "4K"), std::nullopt);
  EXPECT_EQ(value_problem(size, "4095"),
            "'4095' is neither max nor a number of bytes from 4096 to 8192 (K, M and G are "
            "understood)");
  EXPECT_NE(value_problem(size, "9K"), std::nullopt);
}

}  // namespace
}  // namespace penstock::cli
