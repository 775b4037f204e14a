// What a run keeps on record, and what it makes of the record that the last one left: the number
// where nextseq was damaged, files of jobs that are done, jobs that were moved aside.
#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "spool/injection.h"
#include "spool/quarantine.h"
#include "spool/sequence_lock.h"
#include "spool/uuid.h"
#include "sys/process.h"
#include "work/drain.h"

namespace penstock::work {

using spool::ScannedJob;

namespace {

std::string listed(const std::vector<ScannedJob>& jobs) {
  constexpr size_t kMost = 5;
  std::string text;
  for (size_t i = 0; i < jobs.size() && i < kMost; ++i) {
    if (i > 0) text += ", ";
    text += cat(printable(jobs[i].name), " (", jobs[i].number, ")");
  }
  if (jobs.size() > kMost) text += cat(" and ", jobs.size() - kMost, " more");
  return text;
}

// Its name kept it from being compared with the others of its number: perhaps it was the right one.
bool is_misnamed(const ScannedJob& job) {
  const auto number = spool::number_in_name(job.name);
  return number && *number > job.number;
}

bool is_in_flight(const std::optional<spool::RunRecord>& last, const ScannedJob& job) {
  return last && last->job && last->job->file == job.name && last->job->inode == job.id.inode;
}

}  // namespace

// Where nextseq was emptied or damaged, and the last run's record leaves no doubt what stood there,
// that is the number; it is put back once confirm_repair() has seen the jobs.
uint64_t Drain::read_number() {
  if (const auto number = sequence_->try_read()) return *number;
  const auto& last = last_record_;
  const auto file = last && last->job
                        ? jobs_->directory().status(last->job->file, sys::Links::follow)
                        : std::nullopt;
  const bool job_is_there = file && file->st_ino == last->job->inode;
  repaired_ = spool::number_before_damage(last, queue_state(), job_is_there);
  return repaired_ ? *repaired_ : sequence_->read();  // which says what is wrong, and what to do
}

// Somebody may have set the number back by hand before it was damaged, and the record does not
// tell: a job below it, or one that cannot be read, is a doubt.
void Drain::confirm_repair() {
  if (!repaired_ || interruption_->has_come()) return;
  const spool::JobInFlight& known = *last_record_->job;
  const bool is_doubtful =
      end_.skipped > 0 || std::ranges::any_of(set_.older_than(next_), [&](const ScannedJob& job) {
        return !known.done || job.name != known.file || job.id.inode != known.inode;
      });
  if (is_doubtful) sequence_->read();  // throws
  sequence_->write(*repaired_);
  Log::warn(cat(printable(sequence_->path()), " was damaged; ", *repaired_, " is next, since job ",
                known.number, " (", printable(known.file), ") was ",
                known.done ? "done" : "in flight", " when the last run ended"));
  repaired_.reset();
}

spool::QueueState Drain::queue_state() const {
  return {.next = next_,
          .sequence_inode = sequence_->inode(),
          .sequence_born = sequence_->born(),
          .boot = sys::boot_id()};
}

// What an earlier run has left stays on record until it has been dealt with.
void Drain::begin_record() {
  own_record_ = spool::RunRecord::of_this_process(next_, sequence_ ? sequence_->inode() : 0);
  if (sequence_) own_record_.range.sequence_born = sequence_->born();
  own_record_.on_error = settings_.on_error;
  own_record_.never_delete = settings_.never_delete;
  record_ = spool::carry_over(last_record_, own_record_);
  has_older_business_ = spool::is_unsettled(last_record_);
  write_record(spool::Durable::no);
}

// Recovery is over: from here on the record is about this run.
void Drain::settle_record() {
  has_older_business_ = false;
  record_.range = own_record_.range;
  record_.on_error = own_record_.on_error;
  record_.never_delete = own_record_.never_delete;
  if (record_.job && record_.job->done) record_.job.reset();
}

// Files of jobs that were done before, whose removal was interrupted or undone, go; other old ones
// are told about.
void Drain::recover() {
  for (const std::string& name : spool::sweep_temporaries(
           jobs_->directory(), scanner_->take_temporaries(), Timestamp::now())) {
    Log::info(cat("removed ", printable(name),
                  ", a temporary file that somebody left more than a day ago"));
  }
  if (!sequence_ || interruption_->has_come()) return;
  const std::vector<ScannedJob> old = set_.older_than(next_);
  std::vector<spool::OldJob> candidates;
  std::vector<ScannedJob> misnamed;
  for (const ScannedJob& job : old) {
    if (is_misnamed(job) && !is_in_flight(last_record_, job)) {
      misnamed.push_back(job);
      continue;
    }
    auto opened = jobs_->open(job.name);
    const auto* file = std::get_if<spool::JobFile>(&opened);
    if (file == nullptr || !(file->id == job.id)) continue;
    candidates.push_back(
        {.name = job.name, .number = job.number, .id = job.id, .changed = file->changed});
  }
  const spool::Recovery recovery =
      spool::recover(last_record_, queue_state(), std::move(candidates));
  for (const spool::OldJob& old_job : recovery.remove) {
    const ScannedJob job{.name = old_job.name, .number = old_job.number, .id = old_job.id};
    remove(job);
    Log::info(cat(title_of(job), " was done ",
                  last_record_->ended ? "by an earlier run" : "before the crash",
                  "; its file removed"));
  }
  if (!recovery.remove.empty()) jobs_->sync();
  pass_over_quarantined();
  settle_record();

  std::vector<ScannedJob> left;
  left.reserve(recovery.report.size());
  for (const spool::OldJob& job : recovery.report)
    left.push_back({.name = job.name, .number = job.number, .id = job.id});
  if (!misnamed.empty()) {
    inform(cat(misnamed.size(), misnamed.size() == 1 ? " file has" : " files have",
               " a later number in the name than in the header, which is older than the next ",
               "number ", next_, ", and will never run: ", listed(misnamed)),
           cat("misnamed: ", listed(misnamed)));
  }
  if (left.empty()) return;
  if (settings_.remove_old) {
    for (const ScannedJob& job : left) {
      Log::info(cat("removed ", title_of(job), ", which is older than the next number ", next_));
      remove(job);
    }
  } else {
    inform(cat(left.size(), left.size() == 1 ? " file is" : " files are",
               " older than the next number ", next_, " and will never run: ", listed(left),
               " (--remove-old removes them)"),
           cat("old: ", listed(left)));
  }
}

// Where no second link can be made, a job that failed too often leaves jobs/ before nextseq moves
// past it. A run that was killed in between has left a number that would be waited for in vain.
void Drain::pass_over_quarantined() {
  if (!record_.job || record_.job->number != next_) return;
  const spool::JobInFlight job = *record_.job;
  const spool::Turn turn =
      set_.at(next_, [](const ScannedJob&, const ScannedJob&) { return false; });
  if (turn.job || turn.is_conflict()) return;
  if (jobs_->directory().status(job.file, sys::Links::keep)) return;
  const auto place = spool::find_quarantined(queue_, job.inode);
  if (!place) return;
  sequence_->write(job.number + 1);
  next_ = job.number + 1;
  record_.row.add(job.number, job.file);
  record_.job.reset();
  Log::info(cat("job ", job.number, " (", printable(job.file), ") was moved to ",
                printable(queue_.private_path()), "/quarantine/", printable(*place),
                " by a run that was killed right then; passed over"));
}

spool::Attempt Drain::begin_job(const ScannedJob& job) {
  tried_any_ = true;
  spool::Attempt attempt = spool::next_attempt(last_record_, job.number, job.name, job.id);
  record_.job = spool::JobInFlight{.number = job.number,
                                   .file = job.name,
                                   .inode = job.id.inode,
                                   .attempt = attempt.number,
                                   .is_next = sequence_.has_value()};
  write_record(record_is_durable_ ? spool::Durable::no : spool::Durable::yes);
  if (attempt.previous == spool::kInterrupted) {
    Log::info(cat(title_of(job), " was interrupted; running it again as attempt ", attempt.number));
  }
  return attempt;
}

void Drain::write_record(spool::Durable durable) {
  try {
    spool::write_run_record(lock_->fd(), record_, durable);
  } catch (const Error& error) {
    throw error.with(printable(spool::SequenceLock::path_of(queue_.sequence_path())));
  }
  if (durable == spool::Durable::yes) record_is_durable_ = true;
}

// The run ended well: nothing is left to be told, unless it did not come to the job that an earlier
// one has tried, or (in order of time, or interrupted) to what one that was cut short has left.
void Drain::end_record() {
  if (removed_any_) jobs_->sync();
  const bool another_is_due = (!tried_any_ || end_.delayed) && record_.job && !record_.job->done &&
                              (!sequence_ || record_.job->number >= next_);
  if (!another_is_due) record_.job.reset();
  if (record_.job || has_older_business_ || record_.row.count > 0) {
    keep_record();
  } else {
    spool::clear_run_record(lock_->fd());
  }
}

// A job that is over, and whose file has gone for good, needs no recovery.
void Drain::forget_what_is_gone() {
  if (!sequence_ || !removed_any_ || !record_.job || !record_.job->done) return;
  if (record_.job->number >= next_) return;
  if (!jobs_->directory().status(record_.job->file, sys::Links::keep)) record_.job.reset();
}

// The run did not: what was in flight, and how often it was tried, stays on record.
void Drain::keep_record(std::string_view failure) noexcept {
  try {
    if (removed_any_) jobs_->sync();
    forget_what_is_gone();
    if (engine_.keeper.is_left_behind()) return;  // it holds the lock, and the record says for whom
    record_.ended = !has_older_business_;
    write_record(spool::Durable::no);
  } catch (const Error& error) {
    // The failure that brought us here is the one to report.
    if (error.message() != failure) Log::warn(error.message());
  }
}

}  // namespace penstock::work
