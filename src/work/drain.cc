#include "work/drain.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "spool/injection.h"
#include "spool/quarantine.h"
#include "sys/process.h"
#include "work/same_content.h"

namespace penstock::work {

using spool::OnError;
using spool::ScannedJob;

namespace {

// How often one and the same number may turn out to be another file at its turn before we give up.
constexpr int kMostChanges = 5;

std::string title(const ScannedJob& job) {
  return cat("job ", job.number, " (", printable(job.name), ")");
}

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

std::string skipped_files(size_t count) {
  return cat(count, count == 1 ? " file" : " files", " could not be read");
}

}  // namespace

Drain::Drain(const DrainSettings& settings) : settings_(settings), queue_(settings.queue_dir) {}

Drain::~Drain() = default;

// Lock, scan, recover, next job, decode, gate, command, commit.
DrainEnd Drain::run() {
  lock_queue();
  try {
    drain();
  } catch (...) {
    scanner_.reset();
    keep_record();
    throw;
  }
  scanner_.reset();
  if (interruption_->has_come()) {
    keep_record();
  } else {
    end_record();
  }
  end_.interrupted_by = interruption_->signal();
  return end_;
}

void Drain::drain() {
  begin_record();
  scan();
  recover();
  while (!interruption_->has_come_by_now()) {
    if (settings_.max_jobs && end_.done >= *settings_.max_jobs) break;
    const auto turn = next_turn();
    if (!turn) break;
    run_and_commit(*turn);
  }
  tell_what_waits();
}

void Drain::lock_queue() {
  try {
    jobs_.emplace(queue_.jobs());
    lock_ = queue_.lock(settings_.lock_wait);
  } catch (const Error& error) {
    throw RunFailure(FailureKind::no_queue, error.message());
  }
  if (!lock_) {
    throw RunFailure(
        FailureKind::busy,
        cat(printable(queue_.dir()), " is busy: ", spool::describe_holder(queue_.sequence_path())));
  }
  // The keeper will hold it, too: it lasts as long as the last process of a job.
  engine_.keeper.hold(lock_->fd());
  if (settings_.order == OrderBy::sequence) {
    sequence_ = spool::SequenceFile::open(*lock_);
    next_ = sequence_->read();
  }
  interruption_.emplace(engine_.loop);
  progress_.emplace(engine_.loop);
  scanner_.emplace(engine_, settings_.options, *jobs_, settings_.decoding);
}

// What an earlier run has left stays on record until it has been dealt with.
void Drain::begin_record() {
  last_record_ = spool::read_run_record(lock_->fd());
  record_ = spool::RunRecord::of_this_process(next_, sequence_ ? sequence_->inode() : 0);
  own_range_ = record_.range;
  record_.range = spool::carried_range(last_record_, own_range_);
  record_.on_error = settings_.on_error;
  record_.never_delete = settings_.never_delete;
  // How often it was tried, and whether its file is to go, is not forgotten before that is settled.
  if (last_record_) record_.job = last_record_->job;
  write_record(spool::Durable::no);
}

void Drain::scan() {
  const std::optional<uint64_t> wanted = sequence_ ? std::optional(next_) : std::nullopt;
  auto cancelled = [this] { return interruption_->has_come(); };
  scanner_->scan(set_, wanted, cancelled);
  end_.skipped = scanner_->skipped();
}

// Files of jobs that were done before, whose removal was interrupted or undone, go; other old ones
// are told about.
void Drain::recover() {
  for (const std::string& name : spool::sweep_temporaries(queue_, Timestamp::now())) {
    Log::info(cat("removed ", printable(name),
                  ", a temporary file that somebody left more than a day ago"));
  }
  if (!sequence_ || interruption_->has_come()) return;
  const std::vector<ScannedJob> old = set_.older_than(next_);
  std::vector<spool::OldJob> candidates;
  for (const ScannedJob& job : old) {
    auto opened = jobs_->open(job.name);
    const auto* file = std::get_if<spool::JobFile>(&opened);
    if (file == nullptr || !(file->id == job.id)) continue;
    candidates.push_back(
        {.name = job.name, .number = job.number, .id = job.id, .changed = file->changed});
  }
  const spool::Recovery recovery = spool::recover(
      last_record_, {.next = next_, .sequence_inode = sequence_->inode(), .boot = sys::boot_id()},
      std::move(candidates));
  for (const spool::OldJob& job : recovery.remove) {
    Log::info(
        cat("removed ", printable(job.name), ": job ", job.number, " was done by an earlier run"));
    remove({.name = job.name, .number = job.number, .id = job.id});
  }
  if (!recovery.remove.empty()) jobs_->sync();
  record_.range = own_range_;
  if (record_.job && record_.job->done) record_.job.reset();

  std::vector<ScannedJob> left;
  left.reserve(recovery.report.size());
  for (const spool::OldJob& job : recovery.report)
    left.push_back({.name = job.name, .number = job.number, .id = job.id});
  if (left.empty()) return;
  if (settings_.remove_old) {
    for (const ScannedJob& job : left) {
      Log::info(cat("removed ", title(job), ", which is older than the next number ", next_));
      remove(job);
    }
  } else {
    Log::info(cat(left.size(), left.size() == 1 ? " file is" : " files are",
                  " older than the next number ", next_, " and will never run: ", listed(left),
                  " (--remove-old removes them)"));
  }
}

// The job whose turn it is; nothing when there is none (any more).
std::optional<spool::Turn> Drain::next_turn() {
  if (!sequence_) {
    if (!std::exchange(timestamps_listed_, true)) {
      by_time_ = set_.in_time();
      std::ranges::reverse(by_time_);
    }
    progress_->set_jobs(end_.done, end_.done + by_time_.size());
    if (by_time_.empty()) return std::nullopt;
    spool::Turn turn{.job = by_time_.back()};
    by_time_.pop_back();
    return turn;
  }
  auto same = [this](const ScannedJob& a, const ScannedJob& b) {
    return same_content(*jobs_, a, b);
  };
  spool::Turn turn = set_.at(next_, same);
  if (!turn.job && !turn.is_conflict() && settings_.rescan) {
    // It may have come meanwhile (D36).
    scan();
    turn = set_.at(next_, same);
  }
  progress_->set_jobs(end_.done, end_.done + set_.size());
  if (turn.is_conflict()) {
    throw RunFailure(FailureKind::bad_data,
                     cat(turn.conflict_sentence(), " from ", printable(queue_.jobs_path())));
  }
  if (!turn.job) return std::nullopt;
  return turn;
}

void Drain::run_and_commit(const spool::Turn& turn) {
  const ScannedJob& job = *turn.job;
  check_before_running(job);
  std::string reason;
  auto opened = scanner_->open(job, reason, [this] { return interruption_->has_come(); });
  if (interruption_->has_come()) {
    if (opened && opened->upstream) scanner_->retire(std::move(opened->upstream));
    return;
  }
  if (!opened) {
    // The scan saw another file there (D10): what is there now is looked at afresh.
    Log::info(cat(title(job), " ", reason, "; looking again"));
    if (++changed_in_a_row_ > kMostChanges) {
      throw RunFailure(FailureKind::bad_data,
                       cat(title(job), " changes each time it is looked at"));
    }
    set_.remove(job.name);
    if (sequence_ && settings_.rescan) scan();
    return;
  }
  changed_in_a_row_ = 0;
  if (opened->metadata.kind == packet::Kind::command && !std::exchange(command_checked_, true)) {
    try {
      check_command(settings_.job.command.argv.front());
    } catch (const Error& error) {
      if (opened->upstream) scanner_->retire(std::move(opened->upstream));
      throw RunFailure(FailureKind::unavailable, error.message());
    }
  }
  begin_job(job);
  ++end_.done;
  const JobEnd end = run_job(context(),
                             {.queue = queue_,
                              .job = job,
                              .attempt = record_.job->attempt,
                              .started =
                                  [&] {
                                    if (const auto after = job_after(job))
                                      scanner_->look_ahead(*after);
                                  }},
                             *opened);
  if (opened->upstream) scanner_->retire(std::move(opened->upstream));
  switch (end.kind) {
    case JobEnd::Kind::success:
      commit_done(turn);
      return;
    case JobEnd::Kind::failed:
      commit_failed(turn, end);
      return;
    case JobEnd::Kind::interrupted:
      if (end.stuck) Log::error(cat(title(job), ": ", *end.stuck));
      return;  // the record keeps it, and its attempts
    case JobEnd::Kind::fatal:
      if (end.stuck) Log::error(cat(title(job), ": ", *end.stuck));
      throw RunFailure(FailureKind::unavailable, cat(title(job), ": ", end.sentence));
  }
}

void Drain::commit_done(const spool::Turn& turn) {
  try {
    advance_past(*turn.job, settings_.never_delete ? FileAfter::stays : FileAfter::goes);
  } catch (const Error& error) {
    throw RunFailure(FailureKind::io,
                     cat(title(*turn.job), " succeeded, but that could not be stored, and it will ",
                         "run again: ", error.message()));
  }
  if (!settings_.never_delete) remove_all(turn);
  set_.remove(turn.job->name);
}

void Drain::commit_failed(const spool::Turn& turn, const JobEnd& end) {
  const ScannedJob& job = *turn.job;
  std::string line = cat(title(job), " failed: ", end.sentence);
  if (end.may_have_been_applied) {
    line +=
        cat("; job ", job.number, ": the command exited 0 before that; it may have been applied");
  }
  if (end.stuck) throw RunFailure(FailureKind::job_failed, cat(line, "; ", *end.stuck));

  OnError policy = settings_.on_error;
  const uint32_t attempt = record_.job->attempt;
  if (policy == OnError::quarantine && attempt < settings_.max_attempts) policy = OnError::retry;
  switch (policy) {
    case OnError::retry:
      throw RunFailure(
          FailureKind::job_failed,
          cat(line, "; it stays and blocks the queue until it succeeds (attempt ", attempt, ")"));
    case OnError::remove:
      Log::error(cat(line, settings_.never_delete ? "; passed over" : "; removed",
                     " (--on-error Delete)"));
      advance_past(job, settings_.never_delete ? FileAfter::stays : FileAfter::goes);
      if (!settings_.never_delete) remove_all(turn);
      break;
    case OnError::leave:
      Log::error(cat(line, "; passed over, its file stays (--on-error Leave)"));
      advance_past(job, FileAfter::stays);
      break;
    case OnError::quarantine: {
      const std::string report =
          cat("job: ", job.number, "\nfile: ", printable(job.name),
              "\ntime: ", rfc3339_local(Timestamp::now()), "\nattempts: ", attempt, "\n",
              end.may_have_been_applied ? "may have been applied: yes\n" : "", end.report);
      const std::string place = spool::quarantine(queue_, job.name, job.id, report);
      Log::error(cat(line, "; moved to ", printable(queue_.private_path()), "/quarantine/",
                     printable(place)));
      advance_past(job, FileAfter::goes);
      remove_all(turn);
      break;
    }
  }
  set_.remove(job.name);
}

void Drain::check_before_running(const ScannedJob& job) {
  if (sequence_) {
    if (job.number == UINT64_MAX) {
      throw RunFailure(FailureKind::bad_data,
                       cat(title(job), " has the last number there is: nothing can follow it"));
    }
    sequence_->check_writable();
  }
  const bool removes = !settings_.never_delete && settings_.on_error != OnError::leave;
  if (removes) jobs_->check_removable(job.name);
}

void Drain::begin_job(const ScannedJob& job) {
  tried_any_ = true;
  record_.job = spool::JobInFlight{
      .number = job.number,
      .file = job.name,
      .inode = job.id.inode,
      .attempt = spool::next_attempt(last_record_, job.number, job.name, job.id)};
  write_record(record_is_durable_ ? spool::Durable::no : spool::Durable::yes);
}

void Drain::write_record(spool::Durable durable) {
  spool::write_run_record(lock_->fd(), record_, durable);
  if (durable == spool::Durable::yes) record_is_durable_ = true;
}

// From here on the job is over: nextseq is the commit.
void Drain::advance_past(const ScannedJob& job, FileAfter file) {
  if (file == FileAfter::goes) {
    record_.job->done = true;
    write_record(spool::Durable::no);
  }
  if (!sequence_) return;
  sequence_->write(job.number + 1);
  next_ = job.number + 1;
}

void Drain::remove(const ScannedJob& job) {
  set_.remove(job.name);
  switch (jobs_->remove(job.name, job.id)) {
    case spool::JobDirectory::Removal::removed:
      removed_any_ = true;
      return;
    case spool::JobDirectory::Removal::vanished:
      Log::debug(cat(title(job), " was removed by somebody else"));
      return;
    case spool::JobDirectory::Removal::changed:
      Log::warn(cat(title(job), " was replaced while it ran; the new file stays"));
      return;
  }
}

void Drain::remove_all(const spool::Turn& turn) {
  remove(*turn.job);
  for (const ScannedJob& copy : turn.copies) remove(copy);
}

std::optional<ScannedJob> Drain::job_after(const ScannedJob& job) const {
  if (settings_.max_jobs && end_.done >= *settings_.max_jobs) return std::nullopt;
  if (!sequence_) return by_time_.empty() ? std::nullopt : std::optional(by_time_.back());
  // Of several files with that number one may be the wrong one: then nothing is done ahead of the
  // turn.
  const spool::Turn turn =
      set_.at(job.number + 1, [](const ScannedJob&, const ScannedJob&) { return false; });
  return turn.is_conflict() ? std::nullopt : turn.job;
}

void Drain::tell_what_waits() {
  if (interruption_->has_come()) return;
  const bool stopped = settings_.max_jobs && end_.done >= *settings_.max_jobs;
  const auto gap = sequence_ && !stopped ? set_.gap(next_) : std::nullopt;
  end_.gap = gap.has_value();
  if (!gap) {
    if (end_.skipped > 0) Log::info(cat(skipped_files(end_.skipped), " and left alone"));
    return;
  }
  std::string line = gap->sentence();
  if (end_.skipped > 0)
    line += cat("; ", skipped_files(end_.skipped), ", and job ", next_, " may be among them");
  Log::info(line);
}

// The run ended well: nothing is left to be told, unless it did not come to the job that an earlier
// one has tried.
void Drain::end_record() {
  if (removed_any_) jobs_->sync();
  const bool another_is_due = !tried_any_ && record_.job && !record_.job->done &&
                              (!sequence_ || record_.job->number >= next_);
  if (another_is_due) {
    keep_record();
  } else {
    spool::clear_run_record(lock_->fd());
  }
}

// The run did not: what was in flight, and how often it was tried, stays on record.
void Drain::keep_record() noexcept {
  try {
    if (removed_any_) jobs_->sync();
    if (engine_.keeper.is_left_behind()) return;  // it holds the lock, and the record says for whom
    record_.ended = true;
    write_record(spool::Durable::no);
  } catch (const Error& error) {
    Log::warn(error.message());  // the failure that brought us here is the one to report
  }
}

}  // namespace penstock::work
