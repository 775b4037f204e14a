// The values of options: whether a text is one, and what it means.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "cli/command.h"

namespace penstock::cli {

// What parse_size() gives for "max": as large as the system allows.
inline constexpr uint64_t kMaxSize = UINT64_MAX;

// ASCII letters only: names in options are ASCII.
bool equal_ignoring_case(std::string_view left, std::string_view right);

// The word of `choices` ("Retry|Delete|Leave") that `text` is, in the spelling of the table.
std::optional<std::string_view> find_choice(std::string_view choices, std::string_view text);

// "2" or "1,2,75". Nothing unless each is from 1 to 255.
std::optional<std::vector<int>> parse_statuses(std::string_view text);

// "2", "0.2", ".5": seconds with at most three digits behind the point.
std::optional<std::chrono::milliseconds> parse_interval(std::string_view text);

// "65536", "64K", "1M", "max".
std::optional<uint64_t> parse_size(std::string_view text);

// "30", "90s", "1m..1h", with s, m, h or d: the least and the most. One alone is both.
struct Delays {
  std::chrono::seconds least{0};
  std::chrono::seconds most{0};

  bool operator==(const Delays&) const = default;
};
std::optional<Delays> parse_delays(std::string_view text);

// A name in any case, or a number from 1 (error) to 5 (trace).
std::optional<LogLevel> parse_log_level(std::string_view text);

// Why `text` cannot be the value ("'1.5' is not a whole number from 0 to 9"), or nothing if it can.
std::optional<std::string> value_problem(const Option& option, std::string_view text);

}  // namespace penstock::cli
