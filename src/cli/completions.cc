#include "cli/completions.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "base/text.h"

namespace penstock::cli {

namespace {

std::string names(const Option& option) {
  return option.short_name == 0 ? cat("--", option.name)
                                : cat('-', option.short_name, " --", option.name);
}

// As a pattern of `case`: "-q | --queuedir".
std::string pattern(const Option& option) {
  return option.short_name == 0 ? cat("--", option.name)
                                : cat('-', option.short_name, " | --", option.name);
}

std::string words(std::span<const Option> options) {
  std::string out;
  for (const Option& option : options) {
    if (!option.hidden) out += cat(names(option), ' ');
  }
  return out;
}

// What may follow an option that takes a value: its choices, directories, or whatever the shell
// does by itself.
std::string value_case(const Option& option) {
  const std::string_view value_name = option.value_name;
  std::string out = cat("    ", pattern(option), ") ");
  if (option.value == Value::choice || option.value == Value::level) {
    std::string choices(value_name);
    std::ranges::replace(choices, '|', ' ');
    out += cat("COMPREPLY=($(compgen -W '", choices, "' -- \"$cur\")); ");
  } else if (value_name == "DIR") {
    out += "COMPREPLY=($(compgen -d -- \"$cur\")); ";
  }
  return cat(out, "return ;;\n");
}

}  // namespace

std::string bash_completions(const CommandTable& table) {
  std::string values;
  std::string commands;
  std::string command_names;
  std::set<std::string> seen;
  auto add_values = [&](std::span<const Option> options) {
    for (const Option& option : options) {
      const bool has_value = option.value_name != nullptr && !option.value_is_optional;
      const bool is_new = has_value && seen.insert(pattern(option)).second;
      if (is_new && !option.hidden) values += value_case(option);
    }
  };
  add_values(table.global_options);
  for (const Command& command : table.commands) {
    add_values(command.options);
    command_names += cat(command.name, ' ');
    commands += cat("    ", command.name, ") words='", words(command.options), "-h --help' ;;\n");
  }
  return cat(
      "# bash completion for penstock and fspl\n"
      "_penstock() {\n"
      "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} words= command= i\n"
      "  COMPREPLY=()\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    case ${COMP_WORDS[i]} in\n"
      "    --) return ;;\n"
      "    -l | --log-level) [[ $command ]] || ((i++)) ;;\n"
      "    -*) ;;\n"
      "    *) [[ $command ]] || command=${COMP_WORDS[i]} ;;\n"
      "    esac\n"
      "  done\n"
      "  case $prev in\n",
      values,
      "  esac\n"
      "  case $command in\n"
      "    '') words='",
      command_names, words(table.global_options),
      "' ;;\n"
      "    help) words='",
      command_names, "' ;;\n", commands,
      "  esac\n"
      "  if [[ -z $command || $command == help || $cur == -* ]]; then\n"
      "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
      "  fi\n"
      "}\n"
      "complete -o default -F _penstock penstock fspl\n");
}

}  // namespace penstock::cli
