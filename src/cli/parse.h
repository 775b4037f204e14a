// The command line, read by a table and by exactly fspl's rules (docs/formats/fspl-behaviour.md,
// section 1). It touches nothing but its arguments.
#pragma once

#include <span>
#include <string_view>
#include <variant>

#include "base/log.h"
#include "cli/args.h"
#include "cli/command.h"

namespace penstock::cli {

using Words = std::span<const char* const>;

// What a command line asks for.
struct Invocation {
  const Command* command = nullptr;
  Arguments arguments;
  LogLevel log_level = LogLevel::info;
};
// Help on stdout, exit 0; without a command, the overview.
struct HelpRequest {
  const Command* command = nullptr;
};
// One line on stdout, exit 0.
struct VersionRequest {};
// No command at all: the overview on stderr, exit 2.
struct NothingAsked {};
// A shell's completion script on stdout, exit 0.
struct CompletionsRequest {
  std::string_view shell;
};
using Request =
    std::variant<Invocation, HelpRequest, VersionRequest, NothingAsked, CompletionsRequest>;

struct CommandTable {
  std::span<const Option> global_options;
  std::span<const Command> commands;

  // Null if there is none of exactly this name.
  const Command* find(std::string_view name) const;
};

// `words` is argv without argv[0]. Throws UsageError.
Request parse_command_line(const CommandTable& table, Words words);

}  // namespace penstock::cli
