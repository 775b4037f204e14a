#include "cli/help.h"

#include <algorithm>
#include <array>
#include <functional>
#include <string_view>
#include <utility>

#include "base/text.h"

namespace penstock::cli {

namespace {

constexpr size_t kWidth = 79;  // one less than a terminal's, where some wrap early
constexpr size_t kOptionColumn = 8;

// `text` in lines of at most kWidth, each behind `indent` blanks.
std::string paragraph(std::string_view text, size_t indent) {
  std::string out;
  size_t column = 0;
  while (!text.empty()) {
    const size_t end = text.find(' ');
    const std::string_view word = text.substr(0, end);
    if (column != 0 && column + 1 + word.size() > kWidth) {
      out += '\n';
      column = 0;
    }
    if (column == 0) {
      out.append(indent, ' ');
      column = indent;
    } else {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  out += '\n';
  return out;
}

// Two columns: a name, and a phrase that fits.
std::string entry(std::string_view name, std::string_view phrase) {
  constexpr size_t kPhraseColumn = 20;
  std::string out = cat("  ", name);
  out.append(out.size() < kPhraseColumn ? kPhraseColumn - out.size() : 1, ' ');
  return cat(out, phrase, '\n');
}

std::string option_entry(const Option& option) {
  std::string text = option.help;
  if (option.default_value != nullptr) text += cat(" (default: ", option.default_value, ")");
  if (option.required) text += " (required)";
  if (option.required_unless != nullptr) {
    text += cat(" (required without --", option.required_unless, ")");
  }
  return cat(option.short_name == 0 ? "      " : "  ", option_heading(option), '\n',
             paragraph(text, kOptionColumn));
}

bool is_ours(const Option& option) {
  return option.is_ours;
}

template <typename Predicate>
std::string option_list(std::span<const Option> options, const Predicate& is_wanted,
                        std::string_view title) {
  std::string out;
  for (const Option& option : options) {
    if (!option.hidden && is_wanted(option)) out += option_entry(option);
  }
  return out.empty() ? out : cat('\n', title, ":\n", out);
}

std::string with_value(const std::string& name, const Option& option) {
  return option.value_name == nullptr ? name : cat(name, ' ', option.value_name);
}

// " {-q|--all} DIR", " {--key KEYFILE|--from MINISIG}": the one or the other.
std::string one_of(const Command& command, const Option& option) {
  const auto other = std::ranges::find_if(command.options, [&](const Option& each) {
    return std::string_view(each.name) == option.required_unless;
  });
  const std::string name =
      option.short_name != 0 ? cat('-', option.short_name) : cat("--", option.name);
  const std::string value = with_value("", option);
  const std::string other_value = with_value("", *other);
  if (value == other_value) return cat(" {", name, "|--", other->name, '}', value);
  return cat(" {", name, value, "|--", other->name, other_value, '}');
}

std::string usage(const Command& command) {
  std::string out = cat("penstock ", command.name);
  bool has_more = false;
  for (const Option& option : command.options) {
    if (option.required) {
      out += cat(" -", option.short_name, ' ', option.value_name);
    } else if (option.required_unless != nullptr) {
      out += one_of(command, option);
    } else {
      has_more = true;
    }
  }
  if (has_more) out += " [OPTIONS]";
  if (command.positional != nullptr) {
    const char* more = command.tail == Tail::list ? "..." : "";
    out += command.positional_required ? cat(' ', command.positional, more)
                                       : cat(" [", command.positional, more, ']');
  }
  if (command.tail == Tail::parameters) out += " [-- PARAMETER...]";
  return out;
}

}  // namespace

std::string option_heading(const Option& option) {
  std::string out;
  if (option.short_name != 0) out += cat('-', option.short_name, ", ");
  out += cat("--", option.name);
  if (option.value_is_optional) return cat(out, "[=", option.value_name, ']');
  if (option.value_name != nullptr) out += cat(' ', option.value_name);
  return out;
}

std::string overview(const CommandTable& table) {
  static constexpr std::array<std::pair<Group, const char*>, 5> kTitles = {{
      {Group::sender, "Make job files"},
      {Group::queue, "Work with a queue"},
      {Group::standard_input, "Work with one job file on standard input"},
      {Group::pipeline, "Run a pipeline, and see why one is stuck"},
      {Group::other, "Other commands"},
  }};
  std::string out =
      "penstock: job files, run strictly in the order in which they were made\n"
      "\n"
      "Usage: penstock [OPTIONS] COMMAND ...\n";
  for (const auto& [group, title] : kTitles) {
    out += cat('\n', title, ":\n");
    for (const Command& command : table.commands) {
      if (command.group == group) out += entry(command.name, command.summary);
    }
  }
  out += option_list(table.global_options, std::not_fn(is_ours), "Options, before the command");
  out += "\npenstock COMMAND --help tells more; the manual begins at penstock(1).\n";
  return out;
}

std::string command_help(const Command& command) {
  std::string out = cat("penstock ", command.name, ": ", command.summary,
                        "\n\nUsage: ", usage(command), "\n\n", paragraph(command.about, 0));
  if (command.is_ours) {
    out += option_list(
        command.options, [](const Option&) { return true; }, "Options");
  } else {
    out += option_list(command.options, std::not_fn(is_ours), "Options");
    out += option_list(command.options, is_ours, "Beyond fspl");
  }
  return out;
}

std::string version_line(std::string_view argv0) {
  return base_name(argv0) == "fspl" ? "filespooler 1.2.2\n" : "penstock " PENSTOCK_VERSION "\n";
}

}  // namespace penstock::cli
