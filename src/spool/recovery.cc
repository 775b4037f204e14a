#include "spool/recovery.h"

#include <algorithm>

namespace penstock::spool {

namespace {

// Whether that run removed what it was done with. If it did not, nothing is there to be redone.
bool removes_jobs(const RunRecord& run) {
  return !run.never_delete && run.on_error != OnError::leave;
}

bool was_cut_short(const RunRecord& run) {
  return !run.ended && removes_jobs(run);
}

// kill -9 between commit and removal, or an error there: with nextseq past it the job is done, also
// when its run has ended in good order.
bool was_being_removed(const RunRecord& run, const OldJob& job) {
  return run.job && run.job->done && run.job->number == job.number && run.job->file == job.name &&
         run.job->inode == job.id.inode;
}

// Inode numbers are soon used again: fspl, which puts a new nextseq there each time, gets the old
// number back every second time. The time of birth tells them apart, where there is one.
bool is_another_sequence(const RecoveryRange& range, const QueueState& state) {
  const bool born_apart = range.sequence_born != Timestamp{} &&
                          state.sequence_born != Timestamp{} &&
                          range.sequence_born != state.sequence_born;
  return range.sequence_inode != state.sequence_inode || born_apart;
}

// A power cut has brought back what the run had removed. It must have been here before the run
// began, since what came later may be another file; and nextseq must still be the one that the run
// counted in, since whoever put another there may have skipped jobs that never ran.
bool came_back(const RecoveryRange& range, const QueueState& state, const OldJob& job) {
  const bool power_cut = range.boot.empty() || range.boot != state.boot;
  return power_cut && !is_another_sequence(range, state) && job.number >= range.first &&
         std::max(job.id.modified, job.changed) < range.before;
}

}  // namespace

Recovery recover(const std::optional<RunRecord>& last, const QueueState& state,
                 std::vector<OldJob> jobs) {
  Recovery recovery;
  for (OldJob& job : jobs) {
    if (job.number >= state.next) continue;
    const bool ours = last && ((removes_jobs(*last) && was_being_removed(*last, job)) ||
                               (was_cut_short(*last) && came_back(last->range, state, job)));
    (ours ? recovery.remove : recovery.report).push_back(std::move(job));
  }
  return recovery;
}

// Certain is what was written since the last boot, as a power cut may keep an older record beside a
// newer number; about this very nextseq, since fspl does not tell the record what it does; and by a
// run that removes what is done, since another does not say so before it goes on.
std::optional<uint64_t> number_before_damage(const std::optional<RunRecord>& last,
                                             const QueueState& state, bool job_is_there) {
  if (!last || !last->job || !last->job->is_next || !removes_jobs(*last)) return std::nullopt;
  const RecoveryRange& range = last->range;
  if (range.boot.empty() || range.boot != state.boot) return std::nullopt;
  if (range.sequence_born == Timestamp{} || range.sequence_born != state.sequence_born ||
      range.sequence_inode != state.sequence_inode) {
    return std::nullopt;
  }
  const JobInFlight& job = *last->job;
  if (job.done && job.number < UINT64_MAX) return job.number + 1;
  // Gone without us: somebody has done it, or thrown it away, and will know what is next.
  return job_is_there && !job.done ? std::optional(job.number) : std::nullopt;
}

bool is_unsettled(const std::optional<RunRecord>& last) {
  return last && was_cut_short(*last);
}

RunRecord carry_over(const std::optional<RunRecord>& last, RunRecord own) {
  if (!last) return own;
  own.job = last->job;
  // Whoever put another nextseq there has done jobs since.
  const QueueState now{.sequence_inode = own.range.sequence_inode,
                       .sequence_born = own.range.sequence_born};
  const bool either_by_time = now.sequence_inode == 0 || last->range.sequence_inode == 0;
  if (either_by_time || !is_another_sequence(last->range, now)) own.row = last->row;
  if (own.job) {
    // What nextseq says now shows whether the record still goes with it.
    const uint64_t next = own.range.first;
    const bool agrees =
        own.job->number == next || (own.job->done && next > 0 && own.job->number == next - 1);
    if (own.job->end.empty() && !last->ended) own.job->end = kInterrupted;
    own.job->is_next = own.job->is_next && own.range.sequence_inode != 0 && agrees;
  }
  if (is_unsettled(last)) {
    own.range = last->range;
    own.on_error = last->on_error;
    own.never_delete = last->never_delete;
  }
  return own;
}

}  // namespace penstock::spool
