// Points in time as job files carry them, and their two RFC 3339 spellings.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace penstock {

// Seconds since the Unix epoch (may be negative) and nanoseconds. Nanoseconds from 1e9 up to 2e9 -
// 1 are what chrono calls a leap second; they are kept as they came.
struct Timestamp {
  int64_t seconds = 0;
  uint32_t nanoseconds = 0;

  auto operator<=>(const Timestamp&) const = default;

  // The wall clock.
  static Timestamp now();
};

// The years -262144 to 262143: what fspl can show. Outside of that it panics (D21); we call the
// header bad.
inline constexpr int64_t kMinSeconds = -8334632851200;
inline constexpr int64_t kMaxSeconds = 8210298412799;

// Whether the time can be shown by fspl and by us.
constexpr bool is_representable(const Timestamp& time) {
  return time.seconds >= kMinSeconds && time.seconds <= kMaxSeconds &&
         time.nanoseconds < 2'000'000'000U;
}

// "2023-11-14T22:13:20Z": whole seconds, cut. `time` must be representable.
std::string rfc3339_utc(const Timestamp& time);

// "2023-11-14T16:13:20-06:00" in the zone of TZ (else /etc/localtime; an unknown or empty zone is
// UTC, shown as +00:00). Offsets are cut to minutes. `time` must be representable.
std::string rfc3339_local(const Timestamp& time);

}  // namespace penstock
