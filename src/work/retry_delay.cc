#include "work/retry_delay.h"

#include <algorithm>

#include "base/text.h"

namespace penstock::work {

std::chrono::seconds RetryDelay::after(uint32_t attempt) const {
  std::chrono::seconds delay = least;
  for (uint32_t i = 1; i < attempt && delay < most && delay.count() > 0; ++i) delay *= 2;
  return std::min(delay, most);
}

Timestamp next_attempt_due(const RetryDelay& delay, uint32_t attempt, const Timestamp& failed_at) {
  return {.seconds = failed_at.seconds + delay.after(attempt).count(),
          .nanoseconds = failed_at.nanoseconds};
}

std::string clock_text(const Timestamp& time, const Timestamp& now) {
  // "2026-11-22T17:03:20+00:00"
  const std::string text = rfc3339_local(time);
  const size_t split = text.find('T');
  const std::string date = text.substr(0, split);
  const std::string clock = text.substr(split + 1, 8);
  return date == rfc3339_local(now).substr(0, split) ? clock : cat(date, " ", clock);
}

}  // namespace penstock::work
