// DIR/penstock/quarantine/: job files that were taken out of the order, each with a report (D49).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spool/file_identity.h"
#include "spool/quarantine_report.h"
#include "spool/queue.h"

namespace penstock::spool {

// Gives the job `name` a second place there, durably, after its report NAME.report is durable;
// makes the folder (0700) when it is the first. Nothing is overwritten. Returns the name it has
// there: its own, or a new job name if that is taken or too long to have a report beside it.
//
// jobs/ keeps its name: the caller commits nextseq and then removes it, as with any other job that
// is over. So a run killed in between has neither lost the job nor opened a gap; the next one puts
// it here again, which changes nothing, or removes it. (Where the file system or its rules refuse a
// second link the file is moved at once: killed right then, find_quarantined() tells the next run.)
//
// Throws Error, with the job where it was, if `name` is no longer the file `id` or a step fails.
std::string quarantine(const Queue& queue, const std::string& name, const FileIdentity& id,
                       std::string_view report);

// The name in there of the job file with this inode; nothing if there is none. That it has left
// jobs/ is durable then.
std::optional<std::string> find_quarantined(const Queue& queue, uint64_t inode);

struct QuarantinedJob {
  std::string name;  // in there
  FileIdentity id;
  std::optional<QuarantineReport> report;  // nothing: somebody has put the file there by hand
};
// By number, then name; those without a report last.
std::vector<QuarantinedJob> quarantined_jobs(const Queue& queue);
// The whole report, as it is on disk; empty if there is none.
std::string read_report(const Queue& queue, const QuarantinedJob& job);

// Moves the job into jobs/, durably, and then removes its report. Returns the name it has there:
// its own, or a new one if another file has that. What a killed put_back() or quarantine() has left
// in both places is in jobs/ only then. Throws Error if it is no longer the file `job.id`.
std::string put_back(const Queue& queue, const QuarantinedJob& job);
// Removes the job for good, and then its report.
void drop_quarantined(const Queue& queue, const QuarantinedJob& job);

}  // namespace penstock::spool
