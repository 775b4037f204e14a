#include "work/sweep.h"

#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <tuple>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "spool/injection.h"
#include "spool/run_record.h"
#include "spool/sequence_file.h"
#include "sys/files.h"
#include "work/same_content.h"
#include "work/scanner.h"

namespace penstock::work {

namespace {

using spool::ScannedJob;
using Kind = Stray::Kind;

std::string in_jobs(const std::string& name) {
  return cat("jobs/", name);
}

// A job file with what became of it.
struct Found {
  Stray stray;
  ScannedJob job;
  ScannedJob original;  // of a duplicate: the one that stays
};

// What a symbolic link leads to is no copy of it: without that it would lead to nothing.
bool needs(const spool::JobDirectory& jobs, const ScannedJob& job, const ScannedJob& copy) {
  if (!(job.id == copy.id)) return false;
  const auto status = jobs.directory().status(job.name, sys::Links::keep);
  return !status || S_ISLNK(status->st_mode);
}

std::vector<Found> find_jobs(const spool::JobDirectory& jobs, const spool::JobSet& set,
                             uint64_t next, const std::optional<spool::RunRecord>& record) {
  std::vector<Found> found;
  for (const ScannedJob& job : set.older_than(next)) {
    found.push_back(
        {{.kind = Kind::old, .file = in_jobs(job.name), .number = job.number}, job, {}});
  }
  std::optional<uint64_t> number;  // the last one looked at
  for (const ScannedJob& job : set.in_sequence()) {
    if (job.number < next || number == job.number) continue;
    number = job.number;
    spool::Turn turn = set.at(job.number, [&](const ScannedJob& a, const ScannedJob& b) {
      return same_content(jobs, a, b);
    });
    if (record && record->job) turn.prefer(record->job->file, record->job->inode);
    const std::string of = in_jobs(turn.job->name);
    for (const ScannedJob& copy : turn.copies) {
      if (needs(jobs, *turn.job, copy)) continue;
      found.push_back(
          {{.kind = Kind::duplicate, .file = in_jobs(copy.name), .number = copy.number, .of = of},
           copy,
           *turn.job});
    }
    for (const ScannedJob& rival : turn.rivals) {
      found.push_back({{.kind = Kind::conflict,
                        .file = in_jobs(rival.name),
                        .number = rival.number,
                        .of = of,
                        .stays = true},
                       rival,
                       *turn.job});
    }
  }
  return found;
}

// The one that stays may have been delivered without a sync, and its copy with one.
void make_durable(const spool::JobDirectory& jobs, const std::string& name,
                  const spool::FileIdentity& id) {
  auto opened = jobs.open(name);
  const auto* file = std::get_if<spool::JobFile>(&opened);
  if (file == nullptr || !(file->id == id)) {
    throw Error(cat(printable(name), " has gone or changed meanwhile, and its copies stay"));
  }
  sys::sync_file(file->fd.get(), printable(name));
  jobs.sync();
}

void remove_jobs(const spool::JobDirectory& jobs, std::vector<Found>& found) {
  for (Found& each : found) {
    if (each.stray.stays) continue;
    if (each.stray.kind == Kind::duplicate)
      make_durable(jobs, each.original.name, each.original.id);
    if (jobs.remove(each.job.name, each.job.id) == spool::JobDirectory::Removal::changed) {
      Log::warn(cat(printable(each.job.name), " has changed meanwhile, and stays"));
      each.stray.stays = true;
    }
  }
  jobs.sync();
}

}  // namespace

const char* stray_name(Kind kind) {
  switch (kind) {
    case Kind::old:
      return "old";
    case Kind::duplicate:
      return "duplicate";
    case Kind::conflict:
      return "conflict";
    case Kind::temporary:
      return "temporary";
  }
  return "";
}

std::vector<Stray> sweep(const InspectSettings& settings, Apply apply) {
  const spool::Queue queue(settings.queue_dir);
  const spool::JobDirectory jobs = queue.jobs();
  const auto lock = queue.lock();
  if (!lock) {
    throw Error(
        cat(printable(queue.dir()), " is busy: ", spool::describe_holder(queue.sequence_path())));
  }
  const uint64_t next = spool::SequenceFile::open(*lock).read();
  spool::JobSet set;
  {
    pipeline::Engine engine;
    Scanner scanner(engine, settings.options, queue, jobs, settings.decoding);
    scanner.scan(set, std::nullopt, [] { return false; });
    scanner.save_index(set);
  }
  std::vector<Found> found = find_jobs(jobs, set, next, spool::read_run_record(lock->fd()));
  if (apply == Apply::yes) remove_jobs(jobs, found);

  std::vector<Stray> strays;
  strays.reserve(found.size());
  for (Found& each : found) strays.push_back(std::move(each.stray));
  for (const spool::Temporary& file : spool::find_temporaries(queue, Timestamp::now())) {
    if (apply == Apply::yes && file.is_old) spool::remove_temporary(queue, file);
    strays.push_back({.kind = Kind::temporary, .file = file.path, .stays = !file.is_old});
  }
  std::ranges::sort(strays, {}, [](const Stray& stray) {
    return std::tuple(stray.kind, stray.number.value_or(0), stray.file);
  });
  return strays;
}

}  // namespace penstock::work
