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
  std::string boot;
};

struct Recovery {
  std::vector<OldJob> remove;  // done with before: their removal was interrupted or undone
  std::vector<OldJob> report;  // below nextseq, and not ours to remove (D14)
};

// Sorts `jobs` (those below state.next; others are ignored) by what the last run's record says.
Recovery recover(const std::optional<RunRecord>& last, const QueueState& state,
                 std::vector<OldJob> jobs);

// The range a new run's record begins with, to stand until the files of recover().remove are gone
// and that is durable; from then on it is of_this_process()'s own.
RecoveryRange carried_range(const std::optional<RunRecord>& last, const RecoveryRange& own);

}  // namespace penstock::spool
