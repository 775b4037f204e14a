// Draining a queue as its jobs arrive: `queue-process --follow`.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>

#include "work/drain.h"

namespace penstock::work {

// One run of a queue that is followed.
struct FollowedRun {
  std::optional<uint64_t> next;  // whose turn it would have been
  bool more = false;             // the slice is over
  std::optional<int> signal;     // that has come, also where the run has failed
  bool cut_short = false;        // by that signal: a job was running
  // Run it again after so long, whatever comes: a job that waits for its next attempt, or a queue
  // that somebody else has.
  std::optional<std::chrono::milliseconds> again;
  std::exception_ptr failure;  // for good: a RunFailure or an Error
  std::string file_begun;      // as Drain has it
};

// Nobody holds the lock afterwards: other programs may use the queue. `settings.told` is not null.
FollowedRun run_followed(const DrainSettings& settings);

// Runs what is there, waits for more, and so on, until a signal comes (which the result has) or a
// run fails for good: RunFailure or Error. A failed job is no such end if it is to be tried again
// after a delay. Looks at the queue at least once in `rescan`, where the kernel tells of nothing
// (NFS). `settings.told` is its own.
FollowedRun follow(DrainSettings settings, std::chrono::seconds rescan);

}  // namespace penstock::work
