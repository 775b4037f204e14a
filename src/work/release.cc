#include "work/release.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "spool/recovery.h"
#include "spool/run_record.h"
#include "spool/sequence_file.h"

namespace penstock::work {

using spool::QuarantinedJob;

namespace {

bool is_named_by(const QuarantinedJob& job, const std::string& word) {
  const auto number = parse_u64(word);
  return number ? job.report && job.report->number == *number : job.name == word;
}

std::string title(const QuarantinedJob& job) {
  if (!job.report) return printable(job.name);
  return cat("job ", job.report->number, " (", printable(job.name), ")");
}

spool::SequenceLock lock(const spool::Queue& queue) {
  auto lock = queue.lock();
  if (!lock) {
    throw Error(
        cat(printable(queue.dir()), " is busy: ", spool::describe_holder(queue.sequence_path())));
  }
  return std::move(*lock);
}

// Recovery must not take a job that is back for one that is done; nor, if the number moves, a
// number on record for the one that is next.
void forget_jobs(const spool::SequenceLock& lock, std::optional<spool::RunRecord> record,
                 const std::vector<QuarantinedJob>& jobs, SetNext moves) {
  const bool has_one = record && record->job && std::ranges::any_of(jobs, [&](const auto& job) {
                         return record->job->inode == job.id.inode;
                       });
  const bool is_overtaken = record && record->job && record->job->is_next && moves == SetNext::yes;
  if (!has_one && !is_overtaken) return;
  if (has_one) record->job.reset();
  if (record->job) record->job->is_next = false;
  spool::write_run_record(lock.fd(), *record, spool::Durable::yes);
}

// Somebody has looked at the quarantine: the row that stops the queue begins anew.
void forget_row(const spool::SequenceLock& lock) {
  auto record = spool::read_run_record(lock.fd());
  if (!record || record->row.count == 0) return;
  record->row = {};
  spool::write_run_record(lock.fd(), *record, spool::Durable::yes);
}

// The lowest number among them that lies below `next`; nothing if there is none.
std::optional<uint64_t> lowest_below(uint64_t next, const std::vector<QuarantinedJob>& jobs) {
  std::optional<uint64_t> lowest;
  for (const QuarantinedJob& job : jobs) {
    if (job.report && job.report->number < next)
      lowest = std::min(job.report->number, lowest.value_or(UINT64_MAX));
  }
  return lowest;
}

// The first number from `lowest` to below `next` that none of them carries.
std::optional<uint64_t> hole_between(uint64_t lowest, uint64_t next,
                                     const std::vector<QuarantinedJob>& jobs) {
  std::set<uint64_t> numbers;
  for (const QuarantinedJob& job : jobs) {
    if (job.report) numbers.insert(job.report->number);
  }
  while (lowest < next && numbers.contains(lowest)) ++lowest;
  return lowest < next ? std::optional(lowest) : std::nullopt;
}

// What the last run was done with may still lie in jobs/, and would run again below the number that
// is next then.
void refuse_before_recovery(const spool::Queue& queue, const spool::RunRecord& record,
                            const std::vector<QuarantinedJob>& jobs) {
  const bool is_of_these = std::ranges::any_of(
      jobs, [&](const auto& job) { return record.job && record.job->inode == job.id.inode; });
  const bool removal_is_due = record.job && record.job->done && !is_of_these;
  if (!spool::is_unsettled(record) && !removal_is_due) return;
  throw Error(cat("the last run was cut short, and what it has left in ",
                  printable(queue.jobs_path()),
                  " must be dealt with before the number goes back: `penstock queue-process -q ",
                  printable(shell_quote(queue.dir())),
                  " -n 0 true` does it (with -d if the job files are encoded)"));
}

}  // namespace

std::vector<QuarantinedJob> quarantined_jobs(const std::string& queue_dir,
                                             const std::vector<std::string>& words) {
  const spool::Queue queue(queue_dir);
  static_cast<void>(queue.jobs());  // says what is wrong where there is no queue
  std::vector<QuarantinedJob> all = spool::quarantined_jobs(queue);
  if (words.empty()) return all;
  for (const std::string& word : words) {
    if (std::ranges::none_of(all, [&](const auto& job) { return is_named_by(job, word); })) {
      throw Error(
          cat("there is no job ", printable(word), " in the quarantine of ", printable(queue_dir)));
    }
  }
  std::erase_if(all, [&](const QuarantinedJob& job) {
    return std::ranges::none_of(words, [&](const auto& word) { return is_named_by(job, word); });
  });
  return all;
}

void release(const std::string& queue_dir, const std::vector<std::string>& words,
             SetNext set_next) {
  const spool::Queue queue(queue_dir);
  const spool::SequenceLock held = lock(queue);
  const std::vector<QuarantinedJob> jobs = quarantined_jobs(queue_dir, words);
  auto record = spool::read_run_record(held.fd());
  auto sequence = spool::SequenceFile::open(held);
  const uint64_t next = sequence.read();
  const auto lowest = lowest_below(next, jobs);
  if (lowest && set_next == SetNext::yes && record) refuse_before_recovery(queue, *record, jobs);

  forget_jobs(held, std::move(record), jobs, lowest ? set_next : SetNext::no);
  if (lowest && set_next == SetNext::yes) sequence.write(*lowest);
  for (const QuarantinedJob& job : jobs) {
    const std::string name = spool::put_back(queue, job);
    Log::info(cat(title(job), " is back in ", printable(queue.jobs_path()),
                  name == job.name ? "" : cat(" as ", printable(name))));
  }
  // Last: until all are back, a run of the kind that has moved them aside goes no further.
  forget_row(held);

  const std::string set = cat("`penstock queue-set-next -q ", printable(shell_quote(queue_dir)));
  if (lowest && set_next == SetNext::no) {
    Log::warn(cat("the queue's next number is ", next, ", and what lies below will not run: ", set,
                  " ", *lowest, "` sets it (--set-next would have)"));
  } else if (const auto hole = lowest ? hole_between(*lowest, next, jobs) : std::nullopt) {
    Log::warn(cat("the queue's next number is ", *lowest, " now, was ", next, ", and job ", *hole,
                  " was not in the quarantine: if it is done, ", set, " N` passes over it"));
  }
}

void drop(const std::string& queue_dir, const std::vector<std::string>& words) {
  const spool::Queue queue(queue_dir);
  const spool::SequenceLock held = lock(queue);
  const std::vector<QuarantinedJob> jobs = quarantined_jobs(queue_dir, words);
  forget_row(held);
  for (const QuarantinedJob& job : jobs) {
    spool::drop_quarantined(queue, job);
    Log::info(cat(title(job), " was dropped"));
  }
}

}  // namespace penstock::work
