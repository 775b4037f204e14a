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
#include "work/verify.h"

namespace penstock::work {

using namespace std::chrono_literals;

using spool::OnError;
using spool::ScannedJob;

namespace {

// How often one and the same number may turn out to be another file at its turn before we give up.
constexpr int kMostChanges = 5;
// Of a row of small jobs each is over so soon that to be woken up takes a twentieth of its time:
// where the last one took no longer, the end of the next one is stood by for as long.
constexpr auto kSoon = 1ms;
// A job file of at most so many bytes.
constexpr uint64_t kSmall = 1UL << 20U;
// How often one job is run again in one run because it stood still (--on-stall retry).
constexpr int kMostStallRetries = 3;
// A scan that began no longer ago has seen what there is.
constexpr auto kJustNow = 20ms;

}  // namespace

Drain::Drain(const DrainSettings& settings) : settings_(settings), queue_(settings.queue_dir) {}

Drain::~Drain() = default;

// Lock, scan, recover, next job, decode, gate, command, commit.
DrainEnd Drain::run() {
  lock_queue();
  try {
    drain();
  } catch (const std::exception& failure) {
    leave_scanner();
    keep_record(failure.what());
    throw;
  }
  leave_scanner();
  if (interruption_->has_come()) {
    keep_record();
  } else {
    end_record();
  }
  end_.interrupted_by = interruption_->signal();
  end_.cut_short = cut_short_.has_value();
  return end_;
}

void Drain::drain() {
  begin_record();
  scan();
  confirm_repair();
  recover();
  while (!interruption_->has_come_by_now()) {
    if (settings_.max_jobs && end_.done >= *settings_.max_jobs) break;
    stop_after_a_row();
    const auto turn = next_turn();
    if (!turn || must_wait(*turn->job)) break;
    end_.more = must_make_room();
    if (end_.more) return;
    run_and_commit(*turn);
  }
  tell_what_waits();
}

void Drain::lock_queue() {
  try {
    jobs_.emplace(queue_.jobs());
    holds_removed_ = jobs_->directory().lets_names_go();
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
  last_record_ = spool::read_run_record(lock_->fd());
  if (settings_.order == OrderBy::sequence) {
    sequence_ = spool::SequenceFile::open(*lock_);
    next_ = read_number();
  }
  const bool in_lane = settings_.lane != nullptr;
  interruption_.emplace(engine_.loop, settings_.drain_time,
                        in_lane ? Interruption::Senders::also_parent : Interruption::Senders::any);
  engine_.budget.share_among(settings_.lanes);
  if (in_lane) {
    progress_.emplace(engine_.loop, *settings_.lane);
  } else {
    progress_.emplace(engine_.loop);
  }
  scanner_.emplace(engine_, settings_.options, queue_, *jobs_, settings_.decoding, settings_.told);
  if (repaired_) scanner_->distrust_names();  // whatever may be a doubt is looked at
}

// What still waits need not be decoded by the next run.
void Drain::leave_scanner() {
  if (scanner_) scanner_->save_index(set_);
  scanner_.reset();
}

void Drain::scan() {
  const std::optional<uint64_t> wanted = sequence_ ? std::optional(next_) : std::nullopt;
  auto cancelled = [this] { return interruption_->has_come_by_now(); };
  scanned_ = {.for_number = wanted, .began = std::chrono::steady_clock::now()};
  scanner_->scan(set_, wanted, cancelled);
  end_.skipped = scanner_->skipped();
}

// For the number that is due, and so lately that to come meanwhile is to come too late.
bool Drain::scanned_just_now() const {
  return scanned_.for_number == next_ &&
         std::chrono::steady_clock::now() - scanned_.began < kJustNow;
}

// At least one job is run in each turn of a lane.
bool Drain::must_make_room() const {
  return settings_.slice && settings_.lane->others_wait && end_.done > 0 &&
         std::chrono::steady_clock::now() - began_ >= *settings_.slice;
}

// Where a chain of jobs lacks one, all later ones would go the way of the first.
void Drain::stop_after_a_row() const {
  const spool::QuarantineRow& row = record_.row;
  if (settings_.on_error != OnError::quarantine || settings_.quarantine_limit == 0 ||
      row.count < settings_.quarantine_limit) {
    return;
  }
  const std::string queue = cat(" -q ", printable(shell_quote(settings_.queue_dir)));
  throw RunFailure(
      FailureKind::job_failed,
      cat(row.count, row.count == 1 ? " job was" : " jobs in a row were",
          " moved to the quarantine, the first was job ", row.first, " (",
          printable(row.first_file), "); the queue stops here: `penstock quarantine-show", queue,
          " ", row.first, "` says why, `penstock quarantine-release", queue,
          " --all --set-next` puts them back, `penstock quarantine-drop", queue,
          " --all` gives them up"));
}

// A run that comes before the next attempt at a failed job is due leaves it alone.
bool Drain::must_wait(const ScannedJob& job) {
  if (!settings_.retry_delay) return false;
  const spool::Attempt attempt = spool::next_attempt(last_record_, job.number, job.name, job.id);
  if (attempt.number == 1 || last_record_->job->failed_at == Timestamp{}) return false;
  spool::JobInFlight& last = *last_record_->job;
  const Timestamp now = Timestamp::now();
  // The clock was set back since: from now on at most, or it would wait for the clock.
  last.failed_at = std::min(last.failed_at, now);
  const Timestamp due = next_attempt_due(*settings_.retry_delay, last.attempt, last.failed_at);
  if (due <= now) return false;
  std::string_view how = last.end;
  if (how.starts_with("failed: ")) how.remove_prefix(std::string_view("failed: ").size());
  const std::string line =
      cat(title_of(job), " failed at ", clock_text(last.failed_at, now), " (attempt ", last.attempt,
          how.empty() ? "" : cat(": ", printable(how)), "); the next attempt is due at ",
          clock_text(due, now));
  inform(line, line);
  record_.job = last;
  record_.job->is_next = sequence_.has_value();
  end_.delayed = true;
  end_.due = due;
  return true;
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
  const auto cancelled = [this] { return interruption_->has_come_by_now(); };
  scanner_->confirm(set_, next_, cancelled, [this] { begin_jobs_after(next_, end_.done + 1); });
  end_.skipped = scanner_->skipped();
  spool::Turn turn = set_.at(next_, same);
  if (!turn.job && !turn.is_conflict() && settings_.rescan && !scanned_just_now()) {
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
  // A copy that came after an attempt does not make it the first one again.
  if (last_record_ && last_record_->job) {
    turn.prefer(last_record_->job->file, last_record_->job->inode);
  }
  return turn;
}

void Drain::run_and_commit(const spool::Turn& turn) {
  const ScannedJob& job = *turn.job;
  check_before_running(job);
  std::string reason;
  auto opened = scanner_->open(
      job, reason, [this] { return interruption_->has_come(); },
      [&] { begin_jobs_after(job.number, end_.done + 1); });
  if (interruption_->has_come()) {
    if (opened && opened->upstream) scanner_->retire(std::move(opened->upstream));
    return;
  }
  if (!opened) {
    // The scan saw another file there (D10): what is there now is looked at afresh.
    Log::info(cat(title_of(job), " ", reason, "; looking again"));
    if (++changed_in_a_row_ > kMostChanges) {
      throw RunFailure(FailureKind::bad_data,
                       cat(title_of(job), " changes each time it is looked at"));
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
  const spool::Attempt attempt = begin_job(job);
  ++end_.done;
  const auto begins = std::chrono::steady_clock::now();
  const JobEnd end = run_job(context(),
                             {.queue = queue_,
                              .job = job,
                              .attempt = attempt,
                              .started =
                                  [&] {
                                    begin_jobs_after(job.number, end_.done);
                                    removed_.reset();
                                  },
                              .patience = patience_},
                             *opened);
  // Other lanes have a better use for the processor.
  const bool ends_soon = std::chrono::steady_clock::now() - begins < kSoon && settings_.lanes == 1;
  patience_ = ends_soon ? kSoon : 0us;
  if (opened->upstream) scanner_->retire(std::move(opened->upstream));
  record_.job->end = end.how;
  if (end.kind == JobEnd::Kind::failed) record_.job->failed_at = Timestamp::now();
  switch (end.kind) {
    case JobEnd::Kind::success:
      stalled_in_a_row_ = 0;
      // What runs nothing proves nothing about those behind it.
      if (opened->metadata.kind == packet::Kind::command) record_.row = {};
      commit_done(turn);
      return;
    case JobEnd::Kind::failed:
      if (runs_again(turn, end) || passes_over(turn, end)) return;
      commit_failed(turn, end);
      return;
    case JobEnd::Kind::interrupted:
      if (end.stuck) Log::error(cat(title_of(job), ": ", *end.stuck));
      cut_short_ = title_of(job);
      return;  // the record keeps it, and its attempts
    case JobEnd::Kind::fatal:
      if (end.stuck) Log::error(cat(title_of(job), ": ", *end.stuck));
      throw RunFailure(FailureKind::unavailable, cat(title_of(job), ": ", end.sentence));
  }
}

void Drain::commit_done(const spool::Turn& turn) {
  try {
    advance_past(*turn.job, settings_.never_delete ? FileAfter::stays : FileAfter::goes);
  } catch (const Error& error) {
    throw RunFailure(FailureKind::io, cat(title_of(*turn.job),
                                          " succeeded, but that could not be stored, and it will ",
                                          "run again: ", error.message()));
  }
  if (!settings_.never_delete) {
    remove_all(turn);
    remove_twins(turn);
  }
  set_.remove(turn.job->name);
}

// Under --on-stall retry: at once, as its next attempt, unless it may have been applied.
bool Drain::runs_again(const spool::Turn& turn, const JobEnd& end) {
  if (!end.try_again || end.stuck || end.may_have_been_applied ||
      ++stalled_in_a_row_ > kMostStallRetries) {
    stalled_in_a_row_ = 0;
    return false;
  }
  Log::warn(cat(title_of(*turn.job), " was ended: ", end.sentence, "; running it again"));
  last_record_ = record_;
  last_record_->job->failed_at = {};  // at once, whatever --retry-delay says
  --end_.done;
  if (!sequence_) by_time_.push_back(*turn.job);
  return true;
}

// A payload that is not the sealed one says nothing about the job, if another file carries that
// one, too, or if only what is signed counts: then this file is as good as none.
bool Drain::passes_over(const spool::Turn& turn, const JobEnd& end) {
  const bool only_signed = settings_.decoding.trust && settings_.decoding.trust->is_required();
  if (turn.twins.empty() && !only_signed) return false;
  if (end.may_have_been_applied || end.stuck || !turn.job->sealed_bytes) return false;
  if (!end.bad_seal && is_whole(*turn.job)) return false;
  scanner_->pass_over(*turn.job, cat("it failed, and is not what was sealed: ", end.sentence));
  set_.remove(turn.job->name);
  for (const ScannedJob& copy : turn.copies) {
    scanner_->pass_over(copy, cat("is a copy of ", printable(turn.job->name)));
    set_.remove(copy.name);
  }
  end_.skipped = scanner_->skipped();
  --end_.done;
  scanned_ = {};
  return true;
}

// Where the command failed before its input was at an end, nobody has looked at the rest.
bool Drain::is_whole(const ScannedJob& job) {
  try {
    const Verified verified =
        verify_file(queue_.job_path(job.name), settings_.decoding, settings_.options,
                    [this] { return interruption_->has_come_by_now(); });
    return verified.state == SealState::whole && !verified.objection;
  } catch (const Error& error) {
    Log::debug(cat(title_of(job), " cannot be verified: ", error.message()));
    return true;  // what we lack is no objection to it
  }
}

void Drain::commit_failed(const spool::Turn& turn, const JobEnd& end) {
  const ScannedJob& job = *turn.job;
  std::string line = cat(title_of(job), " failed: ", end.sentence);
  if (end.may_have_been_applied) {
    line += "; the command had said success before that, so the job may have been applied";
  }
  if (end.stuck) throw RunFailure(FailureKind::job_failed, cat(line, "; ", *end.stuck));

  OnError policy = settings_.on_error;
  const uint32_t attempt = record_.job->attempt;
  const bool is_tried_again = policy == OnError::quarantine && attempt < settings_.max_attempts;
  if (is_tried_again) policy = OnError::retry;
  switch (policy) {
    case OnError::retry: {
      std::string next;
      if (settings_.retry_delay) {
        const Timestamp failed = record_.job->failed_at;
        next = cat("; the next one is due at ",
                   clock_text(next_attempt_due(*settings_.retry_delay, attempt, failed), failed));
      }
      throw RunFailure(
          end.bad_data ? FailureKind::bad_data : FailureKind::job_failed,
          cat(line,
              is_tried_again ? "; it blocks the queue until it succeeds or has failed "
                             : "; it stays and blocks the queue until it succeeds (attempt ",
              is_tried_again ? cat(settings_.max_attempts, " times (attempt ") : "", attempt, next,
              ")"));
    }
    case OnError::remove:
      if (end.not_read) {
        // An error of the disk, or a file still being written, is no reason to have it no more.
        Log::error(cat(line, "; passed over, its file stays as it was not read to its end"));
        record_.never_delete = true;  // nor may a recovery take it for one that was done
        write_record(spool::Durable::yes);
        advance_past(job, FileAfter::stays);
        break;
      }
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
          spool::encode(spool::QuarantineReport{.number = job.number,
                                                .file = printable(job.name),
                                                .time = rfc3339_local(record_.job->failed_at),
                                                .attempts = attempt,
                                                .may_have_been_applied = end.may_have_been_applied,
                                                .reason = end.sentence,
                                                .text = end.report});
      const std::string place = spool::quarantine(queue_, job.name, job.id, report);
      Log::error(cat(line, "; moved to ", printable(queue_.private_path()), "/quarantine/",
                     printable(place)));
      record_.row.add(job.number, job.name);
      advance_past(job, FileAfter::goes, spool::Durable::yes);
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
                       cat(title_of(job), " has the last number there is: nothing can follow it"));
    }
    sequence_->check_writable();
  }
  const bool removes = !settings_.never_delete && settings_.on_error != OnError::leave;
  if (!removes) return;
  try {
    jobs_->check_removable(job.name);
  } catch (const Error& error) {
    throw Error(cat(title_of(job), " is not run: ", error.message()), error.code());
  }
}

// From here on the job is over: nextseq is the commit.
void Drain::advance_past(const ScannedJob& job, FileAfter file, spool::Durable record) {
  if (file == FileAfter::goes) {
    record_.job->done = true;
    write_record(record);
  }
  if (!sequence_) return;
  sequence_->write(job.number + 1);
  next_ = job.number + 1;
}

void Drain::remove(const ScannedJob& job) {
  set_.remove(job.name);
  // To free its blocks takes longer than to take its name, and can be done beside the next command.
  // What is large may be room that one needs.
  removed_.reset();
  if (holds_removed_ && job.id.size <= kSmall) removed_ = jobs_->directory().try_hold(job.name);
  switch (jobs_->remove(job.name, job.id)) {
    case spool::JobDirectory::Removal::removed:
      removed_any_ = true;
      return;
    case spool::JobDirectory::Removal::vanished:
      Log::debug(cat(title_of(job), " was removed by somebody else"));
      return;
    case spool::JobDirectory::Removal::changed:
      removed_.reset();
      Log::warn(cat(title_of(job), " was replaced while it ran; the new file stays"));
      return;
  }
}

void Drain::remove_all(const spool::Turn& turn) {
  remove(*turn.job);
  for (const ScannedJob& copy : turn.copies) {
    Log::debug(cat("removing ", printable(copy.name), ", a copy of ", title_of(*turn.job)));
    remove(copy);
  }
}

// Of a job that has succeeded; where it failed, one of them may be the one that is whole.
void Drain::remove_twins(const spool::Turn& turn) {
  for (const ScannedJob& twin : turn.twins) {
    Log::debug(cat("removing ", printable(twin.name), ", which carries ", title_of(*turn.job),
                   " as well"));
    remove(twin);
  }
}

void Drain::begin_jobs_after(uint64_t number, uint64_t done) {
  uint64_t most = settings_.look_ahead;
  if (settings_.max_jobs) most = std::min(most, *settings_.max_jobs - done);
  scanner_->look_ahead(jobs_after(number, most));
}

std::vector<ScannedJob> Drain::jobs_after(uint64_t number, uint64_t most) const {
  std::vector<ScannedJob> jobs;
  if (!sequence_) {
    for (auto next = by_time_.rbegin(); next != by_time_.rend() && jobs.size() < most; ++next)
      jobs.push_back(*next);
    return jobs;
  }
  while (jobs.size() < most) {
    // Of several files with that number one may be the wrong one: then nothing is done ahead of the
    // turn.
    const spool::Turn turn = set_.at(number + jobs.size() + 1,
                                     [](const ScannedJob&, const ScannedJob&) { return false; });
    if (!turn.job || turn.is_conflict()) break;
    jobs.push_back(*turn.job);
  }
  return jobs;
}

}  // namespace penstock::work
