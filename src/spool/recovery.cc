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

// A power cut has brought back what the run had removed. It must have been here before the run
// began, since what came later may be another file; and nextseq must still be the one that the run
// counted in, since whoever put another there may have skipped jobs that never ran.
bool came_back(const RecoveryRange& range, const QueueState& state, const OldJob& job) {
  const bool power_cut = range.boot.empty() || range.boot != state.boot;
  return power_cut && range.sequence_inode == state.sequence_inode && job.number >= range.first &&
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

RecoveryRange carried_range(const std::optional<RunRecord>& last, const RecoveryRange& own) {
  return last && was_cut_short(*last) ? last->range : own;
}

}  // namespace penstock::spool
