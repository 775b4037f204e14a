#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "cli/exit_code.h"
#include "cli/handlers.h"
#include "cli/output.h"
#include "spool/quarantine.h"
#include "work/release.h"

namespace penstock::cli {

namespace {

// As it is for programs; no control character reaches a terminal (D34).
std::string shown(const std::string& text) {
  if (::isatty(STDOUT_FILENO) != 1) return text;
  std::string out;
  for (std::string_view rest = text; !rest.empty();) {
    const size_t end = rest.find('\n');
    out += cat(printable(rest.substr(0, end)), "\n");
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  return out;
}

std::string list_text(const std::vector<spool::QuarantinedJob>& jobs) {
  const auto row = [](std::string id, std::string moved, std::string attempts,
                      const std::string& rest) {
    id.resize(std::max<size_t>(id.size(), 20), ' ');
    moved.resize(std::max<size_t>(moved.size(), 27), ' ');
    attempts.resize(std::max<size_t>(attempts.size(), 8), ' ');
    return cat(id, " ", moved, " ", attempts, " ", rest, "\n");
  };
  std::string text = row("ID", "moved", "attempts", "filename: reason");
  for (const spool::QuarantinedJob& job : jobs) {
    const std::string name = printable(job.name);
    text += job.report
                ? row(cat(job.report->number), printable(job.report->time),
                      cat(job.report->attempts), cat(name, ": ", printable(job.report->reason)))
                : row("-", "-", "-", cat(name, ": without a report"));
  }
  return text;
}

std::string reports_text(const spool::Queue& queue,
                         const std::vector<spool::QuarantinedJob>& jobs) {
  std::string text;
  for (const spool::QuarantinedJob& job : jobs) {
    const std::string report = spool::read_report(queue, job);
    text += cat(text.empty() ? "" : "\n", "in: ", printable(queue.private_path()), "/quarantine/",
                printable(job.name), "\n", report.empty() ? "there is no report\n" : shown(report));
  }
  return text;
}

}  // namespace

int handle_quarantine(const Arguments& arguments, CommandId id) {
  const std::string queue_dir = arguments.text("queuedir");
  if (id == CommandId::quarantine_list) {
    const auto jobs = work::quarantined_jobs(queue_dir, {});
    print(arguments.has("json") ? json_of(jobs) : list_text(jobs));
    return kSuccess;
  }
  const std::vector<std::string>& words = arguments.params();
  if (id == CommandId::quarantine_show) {
    print(reports_text(spool::Queue(queue_dir), work::quarantined_jobs(queue_dir, words)));
    return kSuccess;
  }
  // Nobody shall drop all by forgetting a word.
  const bool is_drop = id == CommandId::quarantine_drop;
  const char* command = is_drop ? "quarantine-drop" : "quarantine-release";
  if (words.empty() != arguments.has("all"))
    throw UsageError(
        command, words.empty() ? "JOB or --all is missing" : "JOB and --all exclude each other");
  if (is_drop) {
    work::drop(queue_dir, words);
  } else {
    work::release(queue_dir, words,
                  arguments.has("set-next") ? work::SetNext::yes : work::SetNext::no);
  }
  return kSuccess;
}

}  // namespace penstock::cli
