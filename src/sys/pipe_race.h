// Provokes the lost wakeup of a resized pipe (CVE-2023-52672) in a child of ours, to learn whether
// this kernel has it: version numbers do not tell what a distribution has mended.
#pragma once

#include <chrono>
#include <optional>

namespace penstock::sys {

struct PipeRace {
  int attempts = 0;
  // A writer slept on although its pipe was empty, and the nudge that is the cure woke it.
  bool provoked = false;
};

// Ends with the first that was provoked, after `most` attempts, or when `limit` is over. Nothing if
// pipes cannot be made or resized here. To be called from a process with one thread.
std::optional<PipeRace> provoke_lost_wakeup(int most, std::chrono::milliseconds limit);

}  // namespace penstock::sys
