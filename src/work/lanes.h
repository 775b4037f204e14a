// Many queues side by side, each strictly in its own order: `queue-process --all` or with several
// -q.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "work/lane_counts.h"

namespace penstock::work {

struct LaneSettings {
  uint64_t lanes = 1;          // queues at work at the same time
  bool prefix_output = false;  // each line of output begins with its queue
  // How long a queue keeps its lane while others wait for one.
  std::chrono::milliseconds slice{20000};
};

// One turn of a queue in its lane.
struct LaneTurn {
  std::string queue;
  // Others wait for a lane: give it up after so long, between two jobs, and set counts.more.
  std::optional<std::chrono::milliseconds> slice;
  uint64_t done = 0;  // jobs that earlier turns of this queue have attempted
  LaneCounts& counts;
};

struct LanesEnd {
  int status = 0;  // of the first queue, in their order, that did not end with 0
  std::optional<int> interrupted_by;
};

// Directories right below `dir` that are queues, or look like a queue that is broken or cannot be
// looked at; sorted by name, hidden ones left out, and of several names of one only the first.
// Throws Error if `dir` cannot be read.
std::vector<std::string> queues_below(const std::string& dir);

// The first of them that is a directory which came before under another name, and that name.
std::optional<std::pair<std::string, std::string>> same_queue(
    const std::vector<std::string>& queues);

// Each queue's turns are made by `drain` in a process of its own, forked from this one, whose exit
// status is what `drain` returns: whatever becomes of one, the others go on. A signal is passed on
// to all of them, and no other turn is begun. If this process dies, they are ended by SIGTERM. Must
// be called from a process with one thread. Throws Error if a process cannot be made.
LanesEnd drain_in_lanes(const std::vector<std::string>& queues, const LaneSettings& settings,
                        const std::function<int(const LaneTurn&)>& drain);

}  // namespace penstock::work
