// Many queues side by side, each strictly in its own order: `queue-process --all` or with several
// -q.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "work/lane_pool.h"

namespace penstock::work {

struct LanesEnd {
  int status = 0;  // of the first queue, in their order, that did not end with 0
  std::optional<int> interrupted_by;
};

// Each queue's turns are made by `drain` in a process of its own, forked from this one, whose exit
// status is what `drain` returns: whatever becomes of one, the others go on. A signal is passed on
// to all of them, and no other turn is begun. If this process dies, they are ended by SIGTERM. Must
// be called from a process with one thread. Throws Error if a process cannot be made.
LanesEnd drain_in_lanes(const std::vector<std::string>& queues, const LaneSettings& settings,
                        const LanePool::Drain& drain);

}  // namespace penstock::work
