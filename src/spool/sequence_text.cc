#include "spool/sequence_text.h"

#include "base/error.h"
#include "base/text.h"

namespace penstock::spool {

namespace {

constexpr size_t kMaxShown = 40;

std::string_view first_line(std::string_view text) {
  return text.substr(0, text.find('\n'));
}

}  // namespace

std::optional<uint64_t> parse_sequence(std::string_view text) {
  const std::string_view line = first_line(text);
  if (line.size() >= kMaxSequenceBytes) return std::nullopt;  // its end was not read
  return parse_u64(trim(line));
}

std::string sequence_problem(std::string_view text) {
  if (text.empty()) return "is empty";
  std::string_view line = trim(first_line(text));
  if (line.empty()) return "has an empty first line";
  if (line.size() <= kMaxShown) {
    const bool digits = line.find_first_not_of("0123456789") == std::string_view::npos;
    return cat("holds \"", printable(line), digits ? "\", more than 2^64-1" : "\", not a number");
  }
  return cat("begins with \"", printable(line.substr(0, kMaxShown)), "\", not a number");
}

uint64_t successor(uint64_t number) {
  if (number == UINT64_MAX) {
    throw Error(cat("number ", number, " is the last one there is: a new sequence must be begun"));
  }
  return number + 1;
}

std::vector<SequenceStep> commit_steps(uint64_t size, uint64_t number) {
  using Kind = SequenceStep::Kind;
  const std::string digits = std::to_string(number);
  const std::string line = digits + "\n";
  std::vector<SequenceStep> steps;
  if (size < digits.size()) {
    // The bytes could arrive on the disk before the size: "12345" read as "12". So the file grows
    // first, by newlines, which do not change what it says.
    steps.push_back({Kind::write, size, std::string(line.size() - size, '\n')});
    steps.push_back({Kind::sync});
  }
  // Here the size is right or one short, and then only the newline is missing.
  steps.push_back({Kind::write, 0, line});
  steps.push_back({Kind::sync});
  if (size > line.size()) {
    // Behind a sync, or the size could arrive first: "12345" read as "12".
    steps.push_back({Kind::truncate, line.size(), ""});
    steps.push_back({Kind::sync});
  }
  return steps;
}

}  // namespace penstock::spool
