#include "cli/parse.h"

#include <string>
#include <utility>

#include "base/text.h"
#include "cli/contradictions.h"
#include "cli/value.h"

namespace penstock::cli {

namespace {

std::string quoted(std::string_view word) {
  return cat("'", printable(word), "'");
}

std::string dashed(const Option& option) {
  return cat("option --", option.name);
}

const Option* find_long(std::span<const Option> options, std::string_view name) {
  for (const Option& option : options) {
    if (name == option.name) return &option;
  }
  return nullptr;
}

const Option* find_short(std::span<const Option> options, char name) {
  for (const Option& option : options) {
    if (option.short_name != 0 && option.short_name == name) return &option;
  }
  return nullptr;
}

// The one name in `all` that begins with `beginning`: what somebody meant who abbreviated.
template <typename Named>
std::string hint(std::span<const Named> all, std::string_view beginning, std::string_view dashes) {
  const Named* found = nullptr;
  for (const Named& named : all) {
    if (beginning.empty() || !std::string_view(named.name).starts_with(beginning)) continue;
    if (found != nullptr) return "";
    found = &named;
  }
  return found == nullptr ? "" : cat("; did you mean ", dashes, found->name, "?");
}

// "help" and "help COMMAND", by words alone: even "--help" is no option there.
HelpRequest read_help(const CommandTable& table, Words words) {
  if (words.empty()) return {};
  const Command* command = table.find(words.front());
  if (command == nullptr) {
    throw UsageError("", cat("help: unknown command ", quoted(words.front())));
  }
  if (words.size() > 1) throw UsageError("", cat("help: unexpected ", quoted(words[1])));
  return {.command = command};
}

}  // namespace

// Goes through the words by one table, the program's or a command's. As in fspl there are two sorts
// of mistakes: words that cannot be placed are reported where they stand; missing, repeated and bad
// values wait for the end, because a --help behind them still wins.
class Parser {
 public:
  enum class Stop { end, help, version, command };

  // For the program itself, `command` has no name.
  Parser(const Command& command, std::span<const Option> elsewhere, Words words)
      : command_(command), elsewhere_(elsewhere), words_(words) {
    arguments_.options_ = command.options;
    arguments_.slots_.resize(command.options.size());
  }

  // The program's own options, up to the first word that is none: a command's name.
  Stop read_global();
  Stop read();

  // Words not yet used.
  Words rest() const { return words_.subspan(at_); }
  // Throws the first mistake that waited.
  void check() const;
  Arguments take() { return std::move(arguments_); }
  const Arguments& arguments() const { return arguments_; }

 private:
  [[noreturn]] void fail(std::string_view reason) const { throw UsageError(command_.name, reason); }
  void later(std::string reason) {
    if (mistake_.empty()) mistake_ = std::move(reason);
  }
  [[noreturn]] void fail_unknown(std::string_view word) const;
  [[noreturn]] void fail_surplus(std::string_view word) const;

  Stop read_option(std::string_view word);
  Stop read_long(std::string_view word);
  Stop read_short(std::string_view word);
  void mark(const Option& option, std::string_view text = {});
  void store(const Option& option, std::string_view text);
  void store_next(const Option& option);
  void read_tail();
  void check_presence();
  void set_positional(std::string_view word);

  const Command& command_;
  std::span<const Option> elsewhere_;  // options of the other level, for better messages
  Words words_;
  size_t at_ = 0;
  Arguments arguments_;
  std::string mistake_;
};

void Parser::fail_unknown(std::string_view word) const {
  std::string_view name = word;
  name.remove_prefix(name.starts_with("--") ? 2 : 1);
  name = name.substr(0, name.find('='));
  const bool is_long = word.starts_with("--");
  const Option* other = is_long ? find_long(elsewhere_, name) : find_short(elsewhere_, word[1]);
  if (other != nullptr && !other->hidden) {
    fail(cat(dashed(*other), " goes before the command: penstock --", other->name, " … ",
             command_.name));
  }
  std::string help = is_long ? hint(arguments_.options_, name, "--") : "";
  if (help.empty() && command_.tail == Tail::parameters) help = "; parameters go behind --";
  fail(cat("unknown option ", quoted(word), help));
}

void Parser::fail_surplus(std::string_view word) const {
  if (command_.tail == Tail::parameters) {
    fail(cat("unexpected ", quoted(word), ": parameters go behind --"));
  }
  fail(cat("unexpected ", quoted(word)));
}

void Parser::mark(const Option& option, std::string_view text) {
  Arguments::Slot& slot = arguments_.slots_[arguments_.index(option.name)];
  if (slot.given && option.repeatable) {
    slot.earlier.push_back(slot.text);
  } else if (slot.given) {
    later(cat(dashed(option), " is given twice"));
  }
  slot.given = true;
  slot.text = text;
}

void Parser::store(const Option& option, std::string_view text) {
  mark(option, text);
  if (option.value_name == nullptr) return;
  if (const auto problem = value_problem(option, text)) later(cat(dashed(option), ": ", *problem));
}

// The value stands in the next word, unless that looks like an option; a lone "-" does not.
void Parser::store_next(const Option& option) {
  const std::string needs = cat(dashed(option), " needs a value: ", option.value_name);
  if (at_ == words_.size()) {
    later(needs);
    return;
  }
  const std::string_view next = words_[at_];
  if (next.starts_with('-') && next != "-") {
    later(cat(needs, ", but ", quoted(next), " follows; a value that begins with - is written --",
              option.name, "=VALUE"));
    return;
  }
  ++at_;
  store(option, next);
}

Parser::Stop Parser::read_long(std::string_view word) {
  const size_t equals = word.find('=');
  const std::string_view name =
      word.substr(2, equals == std::string_view::npos ? equals : equals - 2);
  const bool has_value = equals != std::string_view::npos;
  const Option* option = find_long(arguments_.options_, name);
  const bool is_help = name == "help";
  if (option == nullptr && !is_help) fail_unknown(word);
  if (has_value && (is_help || option->value_name == nullptr)) {
    fail(cat("option --", name, " takes no value"));
  }
  if (is_help) return Stop::help;
  if (name == "version") return Stop::version;
  if (option->value_name == nullptr) {
    store(*option, {});
  } else if (has_value) {
    store(*option, word.substr(equals + 1));
  } else if (option->value_is_optional) {
    mark(*option);
  } else {
    store_next(*option);
  }
  return Stop::end;
}

// "-0h" is two flags; "-qDIR" and "-q=DIR" an option with its value.
Parser::Stop Parser::read_short(std::string_view word) {
  for (size_t i = 1; i < word.size(); ++i) {
    if (word[i] == 'h') return Stop::help;
    const Option* option = find_short(arguments_.options_, word[i]);
    if (option == nullptr) {
      if (word[i] == '=' && i > 1) fail(cat("option -", word[i - 1], " takes no value"));
      fail_unknown(cat("-", word.substr(i)));
    }
    if (std::string_view(option->name) == "version") return Stop::version;
    if (option->value_name == nullptr) {
      store(*option, {});
      continue;
    }
    std::string_view value = word.substr(i + 1);
    if (value.empty()) {
      store_next(*option);
    } else {
      if (value.front() == '=') value.remove_prefix(1);
      store(*option, value);
    }
    break;
  }
  return Stop::end;
}

Parser::Stop Parser::read_option(std::string_view word) {
  return word.starts_with("--") ? read_long(word) : read_short(word);
}

Parser::Stop Parser::read_global() {
  while (at_ < words_.size()) {
    const std::string_view word = words_[at_];
    if (!word.starts_with('-') || word == "-") return Stop::command;
    ++at_;
    if (word == "--") {
      if (at_ < words_.size()) fail(cat("unexpected -- before ", quoted(words_[at_])));
      return Stop::end;
    }
    const Stop stop = read_option(word);
    if (stop != Stop::end) return stop;
  }
  return Stop::end;
}

void Parser::set_positional(std::string_view word) {
  const bool is_list = command_.tail == Tail::list;
  if (command_.positional == nullptr || arguments_.positional_) fail_surplus(word);
  if (is_list) {
    arguments_.params_.emplace_back(word);
  } else {
    arguments_.positional_ = word;
  }
  if (command_.positional_value != Value::number) return;
  const Option as_number{.name = command_.positional, .value = Value::number};
  if (const auto problem = value_problem(as_number, word)) {
    later(cat(command_.positional, ": ", *problem));
  }
}

// What stands behind "--", or for a pipeline the first word and all behind it.
void Parser::read_tail() {
  for (const char* word : rest()) {
    if (command_.tail == Tail::none || command_.tail == Tail::list) {
      set_positional(word);
    } else {
      arguments_.params_.emplace_back(word);
    }
  }
  at_ = words_.size();
}

Parser::Stop Parser::read() {
  while (at_ < words_.size()) {
    const std::string_view word = words_[at_];
    const bool is_option = word.starts_with('-') && word != "-";
    if (word == "--") {
      ++at_;
      read_tail();
    } else if (is_option) {
      ++at_;
      if (const Stop stop = read_option(word); stop != Stop::end) return stop;
    } else if (command_.tail == Tail::pipeline) {
      read_tail();
    } else {
      ++at_;
      set_positional(word);
    }
  }
  check_presence();
  return Stop::end;
}

void Parser::check_presence() {
  for (const Option& option : arguments_.options_) {
    const bool given = arguments_.has(option.name);
    if (given && option.excludes != nullptr && arguments_.has(option.excludes)) {
      later(cat("--", option.name, " and --", option.excludes, " exclude each other"));
    }
    if (given) continue;
    if (option.required) later(cat(dashed(option), " ", option.value_name, " is missing"));
    if (option.required_unless != nullptr && !arguments_.has(option.required_unless)) {
      later(cat(dashed(option), " ", option.value_name, " or --", option.required_unless,
                " is missing"));
    }
  }
  if (command_.positional == nullptr || !command_.positional_required) return;
  const std::string_view positional = command_.positional;
  if (command_.tail == Tail::pipeline || command_.tail == Tail::list) {
    if (arguments_.params_.empty()) {
      later(cat(positional.substr(0, positional.find(' ')), " is missing"));
    }
  } else if (!arguments_.positional_) {
    const bool is_behind = !arguments_.params_.empty();
    later(cat(positional, " is missing", is_behind ? ": it goes before --" : ""));
  }
}

void Parser::check() const {
  if (!mistake_.empty()) fail(mistake_);
}

const Command* CommandTable::find(std::string_view name) const {
  for (const Command& command : commands) {
    if (name == command.name) return &command;
  }
  return nullptr;
}

Request parse_command_line(const CommandTable& table, Words words) {
  const Command itself{.name = "", .options = table.global_options};
  Parser program(itself, {}, words);
  const Parser::Stop stop = program.read_global();
  if (stop == Parser::Stop::help) return HelpRequest{};
  if (stop == Parser::Stop::version) return VersionRequest{};
  if (stop == Parser::Stop::end) {
    if (!program.arguments().has("completions")) return NothingAsked{};
    program.check();
    return CompletionsRequest{.shell = *program.arguments().value("completions")};
  }

  const std::string_view name = program.rest().front();
  const Command* command = table.find(name);
  if (command == nullptr) {
    throw UsageError("", cat("unknown command ", quoted(name), hint(table.commands, name, "")));
  }
  if (command->id == CommandId::help) return read_help(table, program.rest().subspan(1));

  Parser parser(*command, table.global_options, program.rest().subspan(1));
  if (parser.read() == Parser::Stop::help) return HelpRequest{.command = command};
  program.check();
  parser.check();
  if (const auto reason = contradiction_in(parser.arguments()))
    throw UsageError(command->name, *reason);
  const std::string_view level = *program.arguments().value("log-level");
  return Invocation{.command = command,
                    .arguments = parser.take(),
                    .log_level = parse_log_level(level).value_or(LogLevel::info)};
}

}  // namespace penstock::cli
