// What a lane's process tells the one that made it, in memory that they share.
#pragma once

#include <atomic>
#include <cstdint>

namespace penstock::work {

struct LaneCounts {
  std::atomic<uint64_t> done{0};   // jobs of this turn
  std::atomic<uint64_t> total{0};  // those, and the ones that wait
  std::atomic<uint64_t> bytes{0};  // fed to its commands, where somebody looks at the progress
  std::atomic<bool> more{false};   // the turn ended because others wait
};
static_assert(std::atomic<uint64_t>::is_always_lock_free, "shared between processes");

}  // namespace penstock::work
