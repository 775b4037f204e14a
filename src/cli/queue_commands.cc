#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/exit_code.h"
#include "cli/handlers.h"
#include "cli/output.h"
#include "cli/settings.h"
#include "spool/queue.h"
#include "spool/run_record.h"
#include "spool/sequence_file.h"
#include "work/inspect.h"
#include "work/queue_write.h"
#include "work/sweep.h"

namespace penstock::cli {

namespace {

constexpr size_t kPrintAtOnce = 64UL << 10U;

// "NAME=value", a line each, or with NUL or as JSON for those who must tell values apart (D35).
std::string info_text(const Arguments& arguments, const work::JobInfo& info) {
  if (arguments.has("json")) return json_of(info.variables, info.seal);
  const char end = arguments.has("null") ? '\0' : '\n';
  std::string text;
  for (const packet::Variable& variable : info.variables)
    text += cat(variable.name, "=", variable.value, end);
  return text;
}

work::RequireSeal require_seal(const Arguments& arguments) {
  return arguments.has("require-seal") ? work::RequireSeal::yes : work::RequireSeal::no;
}

enum class Reads { headers, payload };
work::InspectSettings inspect_settings(const Arguments& arguments, Reads what) {
  work::InspectSettings settings{.queue_dir = arguments.text("queuedir"),
                                 .decoding = decoding(arguments),
                                 .options = pipeline_options(arguments)};
  settings.decoding.filters = what == Reads::headers;
  return settings;
}

std::string stray_sentence(const work::Stray& stray) {
  using Kind = work::Stray::Kind;
  std::string text = work::stray_name(stray.kind);
  if (stray.number) text += cat(" ", *stray.number);
  text += cat(" ", printable(stray.file));
  switch (stray.kind) {
    case Kind::old:
      return text;
    case Kind::duplicate:
      return cat(text, ": equal to ", printable(stray.of));
    case Kind::conflict:
      return cat(text, ": differs from ", printable(stray.of), "; remove all but the right one");
    case Kind::temporary:
      return cat(text, stray.stays ? ": stays, as it may be being written" : "");
  }
  return text;
}

}  // namespace

int handle_queue_init(const Arguments& arguments) {
  const bool repair = arguments.has("repair");
  const std::string& queue = arguments.text("queuedir");
  const std::vector<std::string> made =
      spool::Queue::init(queue, {.append_only = arguments.has("append-only"),
                                 .private_mode = arguments.has("private"),
                                 .repair = repair});
  const bool made_number =
      std::ranges::find(made, spool::Queue(queue).sequence_path()) != made.end();
  if (repair && made_number) {
    Log::warn(cat(printable(spool::Queue(queue).sequence_path()),
                  " was missing, and begins with 1 now; where jobs have been done already, tell it "
                  "with queue-set-next"));
  }
  return kSuccess;
}

int handle_queue_write(const Arguments& arguments) {
  work::queue_write(arguments.text("queuedir"), {.check_header = arguments.has("check"),
                                                 .allow_empty = arguments.has("allow-empty"),
                                                 .number = arguments.number("number")});
  return kSuccess;
}

int handle_queue_number(const Arguments& arguments, CommandId id) {
  const spool::Queue queue(arguments.text("queuedir"));
  if (id == CommandId::queue_get_next) {
    print(cat(spool::read_sequence_unlocked(queue.sequence_path()), "\n"));
    return kSuccess;
  }
  const auto lock = queue.lock();
  if (!lock)
    throw Error(
        cat(printable(queue.dir()), " is busy: ", spool::describe_holder(queue.sequence_path())));
  spool::Queue::set_next(*lock, arguments.positional_number());
  return kSuccess;
}

int handle_queue_ls(const Arguments& arguments) {
  const bool marks = arguments.has("marks");
  const bool wants_marks = marks || arguments.has("json");
  const std::vector<work::QueueEntry> entries =
      work::list_queue(inspect_settings(arguments, Reads::headers),
                       wants_marks ? work::Marks::yes : work::Marks::no);
  const bool on_terminal = ::isatty(STDOUT_FILENO) == 1;
  if (arguments.has("json")) {
    std::vector<ListedJob> jobs;
    jobs.reserve(entries.size());
    for (const work::QueueEntry& entry : entries) {
      jobs.push_back({.number = entry.job.number,
                      .created_local = rfc3339_local(entry.job.created),
                      .created_utc = rfc3339_utc(entry.job.created),
                      .file = entry.job.name,
                      .mark = work::mark_name(entry.mark),
                      .sealed_bytes = entry.job.sealed_bytes});
    }
    print(json_of(jobs));
    return kSuccess;
  }
  const char end = arguments.has("null") ? '\0' : '\n';
  auto padded = [](std::string text, size_t width) {
    if (text.size() < width) text.resize(width, ' ');
    return text;
  };
  auto row = [&](const std::string& id, const std::string& time, std::string_view mark,
                 const std::string& file) {
    return cat(padded(id, 20), " ", padded(time, 27), " ",
               marks ? padded(std::string(mark), 10) : "", marks ? " " : "", file, end);
  };
  std::string text;
  if (!arguments.has("null")) text = row("ID", "creation timestamp", "mark", "filename");
  for (const work::QueueEntry& entry : entries) {
    // Raw bytes for programs, as fspl has it; no control character reaches a terminal (D34).
    text +=
        row(std::to_string(entry.job.number), rfc3339_local(entry.job.created),
            work::mark_name(entry.mark), on_terminal ? printable(entry.job.name) : entry.job.name);
    if (text.size() < kPrintAtOnce) continue;
    print(text);
    text.clear();
  }
  print(text);
  return kSuccess;
}

int handle_queue_sweep(const Arguments& arguments) {
  const bool apply = arguments.has("apply");
  const std::vector<work::Stray> strays = work::sweep(inspect_settings(arguments, Reads::headers),
                                                      apply ? work::Apply::yes : work::Apply::no);
  if (arguments.has("json")) {
    print(json_of(strays));
    return kSuccess;
  }
  std::string text;
  for (const work::Stray& stray : strays) text += cat(stray_sentence(stray), "\n");
  print(text);
  const auto count = std::ranges::count(strays, false, &work::Stray::stays);
  if (count > 0) {
    Log::info(cat(count, count == 1 ? " file" : " files",
                  apply ? " removed" : " would be removed: --apply does it"));
  }
  return kSuccess;
}

int handle_queue_info(const Arguments& arguments) {
  print(info_text(arguments, work::queue_info(inspect_settings(arguments, Reads::headers),
                                              *arguments.number("job"))));
  return kSuccess;
}

int handle_queue_payload(const Arguments& arguments) {
  work::InspectSettings settings = inspect_settings(arguments, Reads::payload);
  settings.require_seal = require_seal(arguments);
  work::queue_payload(settings, *arguments.number("job"));
  return kSuccess;
}

int handle_stdin_info(const Arguments& arguments) {
  print(info_text(arguments, work::stdin_info()));
  return kSuccess;
}

int handle_stdin_payload(const Arguments& arguments) {
  work::stdin_payload(require_seal(arguments));
  return kSuccess;
}

}  // namespace penstock::cli
