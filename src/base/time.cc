#include "base/time.h"

#include <array>
#include <cassert>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace penstock {

namespace {

// Calendar part of both spellings; the zone is appended by the caller.
std::string calendar(const tm& parts, bool leap_second) {
  const long year = parts.tm_year + 1900L;
  std::array<char, 64> out{};
  // As fspl shows them: four digits up to 9999, a sign and at least four (or five) digits outside
  // of that.
  const char* year_format = year > 9999 ? "+%05ld" : year < 0 ? "-%04ld" : "%04ld";
  std::string text;
  std::snprintf(out.data(), out.size(), year_format, std::labs(year));
  text += out.data();
  // A leap second shows as :60 where the second is 59; elsewhere its time has been moved on by one
  // already.
  std::snprintf(out.data(), out.size(), "-%02d-%02dT%02d:%02d:%02d", parts.tm_mon + 1,
                parts.tm_mday, parts.tm_hour, parts.tm_min, leap_second ? 60 : parts.tm_sec);
  text += out.data();
  return text;
}

struct Shown {
  time_t seconds = 0;
  bool leap_second = false;
};

// Nanoseconds of 1e9 and more: ":60" if the second is 59, else one second later.
Shown shown(const Timestamp& time) {
  assert(is_representable(time));
  if (time.nanoseconds < 1'000'000'000U) return {.seconds = time.seconds};
  const int64_t in_minute = ((time.seconds % 60) + 60) % 60;
  if (in_minute == 59) return {.seconds = time.seconds, .leap_second = true};
  return {.seconds = time.seconds + 1};
}

}  // namespace

Timestamp Timestamp::now() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return {.seconds = now.tv_sec, .nanoseconds = static_cast<uint32_t>(now.tv_nsec)};
}

std::string rfc3339_utc(const Timestamp& time) {
  const Shown at = shown(time);
  tm parts{};
  gmtime_r(&at.seconds, &parts);
  return calendar(parts, at.leap_second) + "Z";
}

std::string rfc3339_local(const Timestamp& time) {
  const Shown at = shown(time);
  static const bool zone_read = (tzset(), true);  // localtime_r alone need not read TZ
  static_cast<void>(zone_read);
  tm parts{};
  localtime_r(&at.seconds, &parts);
  const long offset = parts.tm_gmtoff;
  const long minutes = std::labs(offset) / 60;
  std::array<char, 64> zone{};
  std::snprintf(zone.data(), zone.size(), "%c%02ld:%02ld", offset < 0 ? '-' : '+', minutes / 60,
                minutes % 60);
  return calendar(parts, at.leap_second) + zone.data();
}

}  // namespace penstock
