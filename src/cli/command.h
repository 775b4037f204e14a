// cli/: words in, one function call, words out. It knows every room below, and nobody knows it.
// This file has the types of the table that describes commands and options; parsing, help,
// completions and the check of the man pages all read that one table.
#pragma once

#include <cstdint>
#include <span>

namespace penstock::cli {

// What an option's value must look like. Checked while parsing, so that a handler only converts.
enum class Value : uint8_t {
  text,      // any bytes, also none
  filled,    // any bytes, at least one (D42)
  number,    // a whole number in [min, max]
  seconds,   // the same, a length of time
  interval,  // seconds, also with a fraction: in [min, max] milliseconds
  choice,    // one of the words in value_name, separated by '|'; case does not matter
  statuses,  // exit statuses from 1 to 255, separated by commas
  level,     // a log level
  size,      // bytes in [min, max] with an optional K, M or G (powers of 1024), or "max"
  pattern,   // an extended regular expression
  delays,    // one or two lengths of time in [min, max] seconds, "30" or "1m..1h"; not the longer
             // first
};

struct Option {
  char short_name = 0;               // 0: long name only
  const char* name = nullptr;        // without the dashes
  const char* value_name = nullptr;  // null: a flag
  Value value = Value::text;
  uint64_t min = 0;
  uint64_t max = UINT64_MAX;
  const char* default_value = nullptr;  // what the accessors of Arguments give when it is absent
  const char* help = nullptr;           // a phrase without a full stop; the default is added to it
  bool required = false;
  const char* required_unless = nullptr;  // required if this other option is absent
  const char* excludes = nullptr;         // refused together with this other option
  bool value_is_optional = false;         // given as --name or --name=VALUE, never --name VALUE
  bool is_ours = false;                   // fspl has no such option
  bool repeatable = false;                // Arguments::texts() gives all values
  bool hidden = false;                    // not for people: left out of the help
};

// What may follow the options and the positional.
enum class Tail : uint8_t {
  none,
  list,        // any number of words like the positional, before and behind options
  parameters,  // everything behind the first "--", as it is
  pipeline,    // everything from the first word that is no option, as it is
};

// The sections of the overall help, in this order.
enum class Group : uint8_t { sender, queue, standard_input, pipeline, other };

enum class CommandId : uint8_t {
  prepare,
  prepare_nop,
  prepare_fail,
  prepare_get_next,
  prepare_set_next,
  enqueue,
  seal,
  keygen,
  sign,
  verify,
  queue_init,
  queue_write,
  queue_ls,
  queue_info,
  queue_payload,
  queue_process,
  queue_get_next,
  queue_set_next,
  queue_sweep,
  queue_check,
  quarantine_list,
  quarantine_show,
  quarantine_release,
  quarantine_drop,
  stdin_info,
  stdin_payload,
  stdin_process,
  run,
  doctor,
  gen_uuid,
  gen_filename,
  show_license,
  help,
};

struct Command {
  CommandId id = CommandId::help;
  const char* name = nullptr;
  Group group = Group::other;
  const char* summary = nullptr;  // one phrase for the overview
  const char* about = nullptr;    // a few sentences for its own help
  std::span<const Option> options = {};
  const char* positional =
      nullptr;  // null: takes none. With Tail::pipeline: how the help shows the words
  Value positional_value = Value::text;  // text or number
  bool positional_required = true;
  Tail tail = Tail::none;
  bool is_ours = false;
};

}  // namespace penstock::cli
