// What a lane's process and the one that made it tell each other, in memory that they share.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

#include "work/told.h"

namespace penstock::work {

// How a turn of a followed queue ended. Written by its process, and read once that is gone.
struct FollowedEnd {
  enum class Fate : uint8_t {
    unknown,  // its process died before it could say
    ran,      // what is there was run, or is to be tried again
    blocked,  // a job has failed for good
    broken,   // the queue could not be drained
  };
  Fate fate = Fate::unknown;
  std::optional<uint64_t> next;  // whose turn it would have been
  // Run it again after so long, whatever comes.
  std::optional<std::chrono::milliseconds> again;
  bool cut_short = false;  // by a signal, while a job was running
  // Of the job that blocks it; empty if that is not known. No name of a file is longer.
  std::array<char, 256> file{};
};

struct LaneCounts {
  std::atomic<uint64_t> done{0};   // jobs of this turn
  std::atomic<uint64_t> total{0};  // those, and the ones that wait
  std::atomic<uint64_t> bytes{0};  // fed to its commands, where somebody looks at the progress
  std::atomic<bool> more{false};   // the turn ended because others wait
  std::atomic<bool> others_wait{false};  // told by the one that made it
  FollowedEnd followed;
  ToldNotes told;
};
static_assert(std::atomic<uint64_t>::is_always_lock_free, "shared between processes");

}  // namespace penstock::work
