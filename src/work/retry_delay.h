// When a job that has failed may be tried again, across runs: --retry-delay. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/time.h"

namespace penstock::work {

// From `least` after the first attempt, doubled with each further one up to `most`.
struct RetryDelay {
  std::chrono::seconds least{0};
  std::chrono::seconds most{0};

  std::chrono::seconds after(uint32_t attempt) const;
};

// When the next attempt is due after `attempt` failed at `failed_at`, both by the wall clock.
Timestamp next_attempt_due(const RetryDelay& delay, uint32_t attempt, const Timestamp& failed_at);

// "17:03:20", local; with the date before it unless that is today's.
std::string clock_text(const Timestamp& time, const Timestamp& now);

}  // namespace penstock::work
