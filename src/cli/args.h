// The options and words that one command was given, for its handler to ask by name.
#pragma once

#include <cassert>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "cli/command.h"
#include "cli/value.h"

namespace penstock::cli {

// A command line that makes no sense: exit status 2, nothing touched. The message ends with a
// pointer to the help.
class UsageError : public Error {
 public:
  // `command` is the subcommand's name; empty for the program itself.
  UsageError(std::string_view command, std::string_view reason);

  // "penstock queue-process", or "penstock": what the line on stderr starts with.
  const std::string& prefix() const { return prefix_; }

 private:
  std::string prefix_;
};

// The options and words given to one command. Views lead into argv, which lives as long as the
// process. Names are those of the table, long and without dashes; asking for one that the command
// lacks is a bug of ours.
class Arguments {
 public:
  // No time limit of ours needs to be longer: about 31 years, and it can be added to any clock.
  static constexpr std::chrono::seconds kLongest{1'000'000'000};

  // Whether the command has such an option: for code that reads a group of options for several
  // commands. All the others below must only be asked for what the command has.
  bool knows(std::string_view name) const;
  // Whether the option was on the command line.
  bool has(std::string_view name) const;
  // As given, else the table's default, else nothing. The others below do the same and convert.
  std::optional<std::string_view> value(std::string_view name) const;
  // For options that are required or have a default.
  std::string text(std::string_view name) const;
  // All values of a repeatable option, in their order.
  std::vector<std::string> texts(std::string_view name) const;
  std::optional<uint64_t> number(std::string_view name) const;
  // Cut to kLongest.
  std::optional<std::chrono::seconds> seconds(std::string_view name) const;
  // For options of Value::interval.
  std::optional<std::chrono::milliseconds> interval(std::string_view name) const;
  // For options of Value::delays.
  std::optional<Delays> delays(std::string_view name) const;
  // Empty when absent.
  std::vector<int> statuses(std::string_view name) const;
  // kMaxSize for "max".
  std::optional<uint64_t> size(std::string_view name) const;

  // args.pick<Gate>("gate", {{"hold", Gate::hold}, {"eof", Gate::eof}, {"off", Gate::off}})
  template <typename Enum>
  std::optional<Enum> pick(std::string_view name,
                           std::initializer_list<std::pair<const char*, Enum>> meanings) const {
    const std::optional<std::string_view> word = choice(name);
    if (!word) return std::nullopt;
    for (const auto& [spelling, meaning] : meanings) {
      if (*word == spelling) return meaning;
    }
    assert(!"the handler lacks a choice that the table offers");
    return std::nullopt;
  }

  // The positional's bytes, or nothing if the command takes none or it is optional.
  std::optional<std::string_view> positional() const { return positional_; }
  // For positionals of Value::number.
  uint64_t positional_number() const;
  // Behind "--"; for Tail::pipeline all words from the first that is no option; for Tail::list all
  // words.
  const std::vector<std::string>& params() const { return params_; }

 private:
  friend class Parser;

  struct Slot {
    bool given = false;
    std::string_view text;
    std::vector<std::string_view> earlier;  // of a repeatable option
  };

  size_t index(std::string_view name) const;
  // In the table's spelling.
  std::optional<std::string_view> choice(std::string_view name) const;

  std::span<const Option> options_;
  std::vector<Slot> slots_;  // one for each option of the table
  std::optional<std::string_view> positional_;
  std::vector<std::string> params_;
};

}  // namespace penstock::cli
