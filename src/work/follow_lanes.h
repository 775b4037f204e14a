// Many queues drained as their jobs arrive, side by side: `queue-process --follow` with --all or
// several -q.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "work/drain.h"
#include "work/lane_pool.h"

namespace penstock::work {

struct FollowedQueues {
  std::vector<std::string> given;
  // Instead: all queues below this directory, also those that come later.
  std::optional<std::string> below;
  std::chrono::seconds rescan{60};
};

struct FollowLanesEnd {
  int status = 0;  // of the first queue that is given up now
  std::optional<int> interrupted_by;
  bool cut_short = false;  // a job was running
};

// Each turn of a queue is a process of its own, gone when there is nothing more to run: this one
// waits for news of all of them, and a queue without news costs nothing. One whose run fails for
// good (as it would end follow()) is given up, and told so once; the others go on. It has another
// chance when somebody has changed it: its number, a job file removed, its directory put there
// anew; and, unless a job has failed, with each look at what the kernel does not tell of. Ends by a
// signal, when the lanes have ended, or when all that were given are given up. `settings` are those
// of each run; `status_of` is the exit status for a failure. Must be called from a process with one
// thread. Throws RunFailure if `below` cannot be read at the start.
FollowLanesEnd follow_in_lanes(const FollowedQueues& queues, const LaneSettings& lanes,
                               const DrainSettings& settings,
                               const std::function<int(const Error&)>& status_of);

}  // namespace penstock::work
