// What a run that was killed, or a power cut, has left in jobs/ below nextseq. Pure: the caller
// removes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "spool/file_identity.h"
#include "spool/run_record.h"

namespace penstock::spool {

struct OldJob {
  std::string name;
  uint64_t number = 0;
  FileIdentity id;
  Timestamp changed;  // of JobFile

  bool operator==(const OldJob&) const = default;
};

// The queue as the new run finds it.
struct QueueState {
  uint64_t next = 0;
  uint64_t sequence_inode = 0;
  Timestamp sequence_born;
  std::string boot;
};

struct Recovery {
  std::vector<OldJob> remove;  // done with before: their removal was interrupted or undone
  std::vector<OldJob> report;  // below nextseq, and not ours to remove (D14)
};

// Sorts `jobs` (those below state.next; others are ignored) by what the last run's record says.
Recovery recover(const std::optional<RunRecord>& last, const QueueState& state,
                 std::vector<OldJob> jobs);

// What nextseq, which holds no number any more, said before, if the last run's record leaves no
// doubt; nothing otherwise. `job_is_there`: the file of the record's job is still in jobs/.
std::optional<uint64_t> number_before_damage(const std::optional<RunRecord>& last,
                                             const QueueState& state, bool job_is_there);

// Whether that run's range and policy are to stay on record, through as many runs as it takes,
// until the files of recover().remove are gone and that is durable.
bool is_unsettled(const std::optional<RunRecord>& last);

// How a new run's record begins, whose own is `own`: with the last one's job (its attempts, and
// whether its file is to go) and, where that is unsettled, its range and policy.
RunRecord carry_over(const std::optional<RunRecord>& last, RunRecord own);

}  // namespace penstock::spool
