#include <unistd.h>

#include <algorithm>

#include "base/error.h"
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

namespace penstock::cli {

namespace {

// "NAME=value", a line each, or with NUL or as JSON for those who must tell values apart (D35).
std::string info_text(const Arguments& arguments, const std::vector<packet::Variable>& variables) {
  if (arguments.has("json")) return json_of(variables);
  const char end = arguments.has("null") ? '\0' : '\n';
  std::string text;
  for (const packet::Variable& variable : variables)
    text += cat(variable.name, "=", variable.value, end);
  return text;
}

work::InspectSettings inspect_settings(const Arguments& arguments) {
  return {.queue_dir = arguments.text("queuedir"),
          .decoding = decoding(arguments),
          .options = pipeline_options(arguments)};
}

}  // namespace

int handle_queue_init(const Arguments& arguments) {
  spool::Queue::init(arguments.text("queuedir"), {.append_only = arguments.has("append-only"),
                                                  .private_mode = arguments.has("private"),
                                                  .repair = arguments.has("repair")});
  return kSuccess;
}

int handle_queue_write(const Arguments& arguments) {
  work::queue_write(arguments.text("queuedir"), {.check_header = arguments.has("check"),
                                                 .allow_empty = arguments.has("allow-empty")});
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
  const std::vector<work::QueueEntry> entries = work::list_queue(inspect_settings(arguments));
  const bool on_terminal = ::isatty(STDOUT_FILENO) == 1;
  if (arguments.has("json")) {
    std::vector<ListedJob> jobs;
    jobs.reserve(entries.size());
    for (const work::QueueEntry& entry : entries) {
      jobs.push_back({.number = entry.job.number,
                      .created_local = rfc3339_local(entry.job.created),
                      .created_utc = rfc3339_utc(entry.job.created),
                      .file = entry.job.name,
                      .mark = work::mark_name(entry.mark)});
    }
    print(json_of(jobs));
    return kSuccess;
  }
  const bool marks = arguments.has("marks");
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
  }
  print(text);
  return kSuccess;
}

int handle_queue_info(const Arguments& arguments) {
  print(info_text(arguments,
                  work::queue_info(inspect_settings(arguments), *arguments.number("job"))));
  return kSuccess;
}

int handle_queue_payload(const Arguments& arguments) {
  work::queue_payload(inspect_settings(arguments), *arguments.number("job"));
  return kSuccess;
}

int handle_stdin_info(const Arguments& arguments) {
  print(info_text(arguments, work::stdin_info()));
  return kSuccess;
}

int handle_stdin_payload() {
  work::stdin_payload();
  return kSuccess;
}

}  // namespace penstock::cli
