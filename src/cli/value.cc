#include "cli/value.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "work/parameter_pattern.h"

namespace penstock::cli {

namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Calls `visit` with each part of `list` between separators; stops early when it returns false.
template <typename Visit>
void for_each_part(std::string_view list, char separator, const Visit& visit) {
  for (;;) {
    const size_t end = list.find(separator);
    if (!visit(list.substr(0, end)) || end == std::string_view::npos) return;
    list.remove_prefix(end + 1);
  }
}

bool in_range(const Option& option, std::optional<uint64_t> number) {
  return number && *number >= option.min && *number <= option.max;
}

// "0.05", "3600".
std::string shown_seconds(uint64_t milliseconds) {
  std::string fraction = cat(1000 + milliseconds % 1000).substr(1);
  while (fraction.ends_with('0')) fraction.pop_back();
  return cat(milliseconds / 1000, fraction.empty() ? "" : ".", fraction);
}

// "90", "90s", "1m", "2h", "7d".
std::optional<std::chrono::seconds> parse_length(std::string_view text) {
  static constexpr std::array<std::pair<char, uint64_t>, 4> kUnits = {
      {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}}};
  uint64_t factor = 1;
  for (const auto& [unit, seconds] : kUnits) {
    if (text.empty() || lower(text.back()) != unit) continue;
    factor = seconds;
    text.remove_suffix(1);
    break;
  }
  const std::optional<uint64_t> number = parse_u64(text);
  if (!number || *number > INT32_MAX) return std::nullopt;
  return std::chrono::seconds(*number * factor);
}

std::string range(const Option& option) {
  return cat("from ", option.min, " to ", option.max);
}

}  // namespace

bool equal_ignoring_case(std::string_view left, std::string_view right) {
  if (left.size() != right.size()) return false;
  for (size_t i = 0; i < left.size(); ++i) {
    if (lower(left[i]) != lower(right[i])) return false;
  }
  return true;
}

std::optional<std::string_view> find_choice(std::string_view choices, std::string_view text) {
  std::optional<std::string_view> found;
  for_each_part(choices, '|', [&](std::string_view choice) {
    if (equal_ignoring_case(choice, text)) found = choice;
    return !found;
  });
  return found;
}

std::optional<std::vector<int>> parse_statuses(std::string_view text) {
  std::vector<int> statuses;
  bool good = true;
  for_each_part(text, ',', [&](std::string_view part) {
    const std::optional<uint64_t> status = parse_u64(part);
    good = status && *status >= 1 && *status <= 255;
    if (good) statuses.push_back(static_cast<int>(*status));
    return good;
  });
  if (!good) return std::nullopt;
  return statuses;
}

std::optional<std::chrono::milliseconds> parse_interval(std::string_view text) {
  constexpr size_t kDigits = 3;
  const size_t point = text.find('.');
  std::string_view whole = text.substr(0, point);
  std::string fraction(point == std::string_view::npos ? "" : text.substr(point + 1));
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (whole.empty() && fraction.empty()) return std::nullopt;
  if (whole.size() > 9 || fraction.size() > kDigits) return std::nullopt;
  if (!std::ranges::all_of(whole, is_digit) || !std::ranges::all_of(fraction, is_digit)) {
    return std::nullopt;
  }
  fraction.resize(kDigits, '0');
  return std::chrono::milliseconds(parse_u64(cat(whole, fraction)).value_or(0));
}

std::optional<uint64_t> parse_size(std::string_view text) {
  if (equal_ignoring_case(text, "max")) return kMaxSize;
  unsigned shift = 0;
  if (!text.empty()) {
    const char unit = lower(text.back());
    if (unit == 'k') shift = 10;
    if (unit == 'm') shift = 20;
    if (unit == 'g') shift = 30;
    if (shift != 0) text.remove_suffix(1);
  }
  const std::optional<uint64_t> number = parse_u64(text);
  if (!number || *number > UINT64_MAX >> shift) return std::nullopt;
  return *number << shift;
}

std::optional<Delays> parse_delays(std::string_view text) {
  const size_t dots = text.find("..");
  const auto least = parse_length(text.substr(0, dots));
  const auto most = dots == std::string_view::npos ? least : parse_length(text.substr(dots + 2));
  if (!least || !most || *least > *most) return std::nullopt;
  return Delays{.least = *least, .most = *most};
}

std::optional<LogLevel> parse_log_level(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, LogLevel>, 5> kNames = {{
      {"error", LogLevel::error},
      {"warn", LogLevel::warn},
      {"info", LogLevel::info},
      {"debug", LogLevel::debug},
      {"trace", LogLevel::trace},
  }};
  const std::optional<uint64_t> number = parse_u64(text);
  for (const auto& [name, level] : kNames) {
    if (equal_ignoring_case(name, text) || number == static_cast<uint64_t>(level)) return level;
  }
  return std::nullopt;
}

std::optional<std::string> value_problem(const Option& option, std::string_view text) {
  const std::string shown = cat("'", printable(text), "'");
  switch (option.value) {
    case Value::text:
      return std::nullopt;
    case Value::filled:
      if (!text.empty()) return std::nullopt;
      return "may not be empty";
    case Value::number:
      if (in_range(option, parse_u64(text))) return std::nullopt;
      return cat(shown, " is not a whole number ", range(option));
    case Value::seconds:
      if (in_range(option, parse_u64(text))) return std::nullopt;
      return cat(shown, " is not a whole number of seconds ", range(option));
    case Value::interval: {
      const auto interval = parse_interval(text);
      if (interval && in_range(option, static_cast<uint64_t>(interval->count()))) {
        return std::nullopt;
      }
      return cat(shown, " is not a number of seconds from ", shown_seconds(option.min), " to ",
                 shown_seconds(option.max));
    }
    case Value::choice:
      if (find_choice(option.value_name, text)) return std::nullopt;
      return cat(shown, " is none of ", option.value_name);
    case Value::statuses:
      if (parse_statuses(text)) return std::nullopt;
      return cat(shown, " is not a list of exit statuses from 1 to 255, separated by commas");
    case Value::delays: {
      const auto delays = parse_delays(text);
      if (delays && in_range(option, static_cast<uint64_t>(delays->least.count())) &&
          in_range(option, static_cast<uint64_t>(delays->most.count()))) {
        return std::nullopt;
      }
      return cat(shown, " is neither a length of time nor two, as 1m..1h, ", range(option),
                 " seconds (s, m, h and d are understood)");
    }
    case Value::level:
      if (parse_log_level(text)) return std::nullopt;
      return cat(shown, " is none of ", option.value_name, " and no number from 1 to 5");
    case Value::pattern:
      if (text.empty()) return "may not be empty";
      try {
        const work::ParameterPattern pattern{std::string(text)};
      } catch (const Error& error) {
        return cat(shown, " is no extended regular expression: ", error.message());
      }
      return std::nullopt;
    case Value::size: {
      const std::optional<uint64_t> size = parse_size(text);
      if (size == kMaxSize || in_range(option, size)) return std::nullopt;
      return cat(shown, " is neither max nor a number of bytes ", range(option),
                 " (K, M and G are understood)");
    }
  }
  return std::nullopt;
}

}  // namespace penstock::cli
