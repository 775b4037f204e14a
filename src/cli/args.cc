#include "cli/args.h"

#include <algorithm>

#include "base/text.h"
#include "cli/value.h"

namespace penstock::cli {

namespace {

std::string program(std::string_view command) {
  return command.empty() ? std::string("penstock") : cat("penstock ", command);
}

}  // namespace

UsageError::UsageError(std::string_view command, std::string_view reason)
    : Error(cat(reason, " (see ", program(command), " --help)")), prefix_(program(command)) {}

size_t Arguments::index(std::string_view name) const {
  const auto found =
      std::ranges::find_if(options_, [&](const Option& o) { return name == o.name; });
  assert(found != options_.end());
  return static_cast<size_t>(found - options_.begin());
}

bool Arguments::knows(std::string_view name) const {
  return std::ranges::any_of(options_, [&](const Option& o) { return name == o.name; });
}

bool Arguments::has(std::string_view name) const {
  return slots_[index(name)].given;
}

std::optional<std::string_view> Arguments::value(std::string_view name) const {
  const size_t i = index(name);
  if (slots_[i].given) return slots_[i].text;
  if (options_[i].default_value == nullptr) return std::nullopt;
  return options_[i].default_value;
}

std::string Arguments::text(std::string_view name) const {
  const std::optional<std::string_view> text = value(name);
  assert(text);
  return std::string(*text);
}

std::vector<std::string> Arguments::texts(std::string_view name) const {
  const Slot& slot = slots_[index(name)];
  std::vector<std::string> all(slot.earlier.begin(), slot.earlier.end());
  if (slot.given) all.emplace_back(slot.text);
  return all;
}

std::optional<uint64_t> Arguments::number(std::string_view name) const {
  const std::optional<std::string_view> text = value(name);
  return text ? parse_u64(*text) : std::nullopt;
}

std::optional<std::chrono::seconds> Arguments::seconds(std::string_view name) const {
  const std::optional<uint64_t> given = number(name);
  if (!given) return std::nullopt;
  return std::chrono::seconds(std::min(*given, static_cast<uint64_t>(kLongest.count())));
}

std::optional<std::chrono::milliseconds> Arguments::interval(std::string_view name) const {
  const std::optional<std::string_view> text = value(name);
  return text ? parse_interval(*text) : std::nullopt;
}

std::optional<Delays> Arguments::delays(std::string_view name) const {
  const std::optional<std::string_view> text = value(name);
  return text ? parse_delays(*text) : std::nullopt;
}

std::vector<int> Arguments::statuses(std::string_view name) const {
  const std::optional<std::string_view> text = value(name);
  return text ? parse_statuses(*text).value_or(std::vector<int>()) : std::vector<int>();
}

std::optional<uint64_t> Arguments::size(std::string_view name) const {
  const std::optional<std::string_view> text = value(name);
  return text ? parse_size(*text) : std::nullopt;
}

std::optional<std::string_view> Arguments::choice(std::string_view name) const {
  const std::optional<std::string_view> text = value(name);
  return text ? find_choice(options_[index(name)].value_name, *text) : std::nullopt;
}

uint64_t Arguments::positional_number() const {
  assert(positional_);
  const std::optional<uint64_t> number = parse_u64(*positional_);
  assert(number);
  return *number;
}

}  // namespace penstock::cli
