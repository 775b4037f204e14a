#include "base/time.h"

#include <array>
#include <cassert>
#include <cstdlib>
#include <ctime>
#include <utility>

namespace penstock {

namespace {

// At least `width` digits. A list of a hundred thousand jobs has half a million of these.
void put(std::string& text, long number, size_t width) {
  std::array<char, 24> digits{};
  size_t first = digits.size();
  for (; number > 0 || digits.size() - first < width; number /= 10)
    digits.at(--first) = static_cast<char>('0' + number % 10);
  text.append(&digits.at(first), digits.size() - first);
}

// Calendar part of both spellings; the zone is appended by the caller.
std::string calendar(const tm& parts, bool leap_second) {
  const long year = parts.tm_year + 1900L;
  std::string text;
  text.reserve(32);
  // As fspl shows them: four digits up to 9999, a sign and at least four (or five) digits outside
  // of that.
  if (year > 9999 || year < 0) text += year < 0 ? '-' : '+';
  put(text, std::labs(year), year > 9999 ? 5 : 4);
  // A leap second shows as :60 where the second is 59; elsewhere its time has been moved on by one
  // already.
  for (const auto& [sign, number] : {std::pair{'-', parts.tm_mon + 1},
                                     {'-', parts.tm_mday},
                                     {'T', parts.tm_hour},
                                     {':', parts.tm_min},
                                     {':', leap_second ? 60 : parts.tm_sec}}) {
    text += sign;
    put(text, number, 2);
  }
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
  std::string text = calendar(parts, at.leap_second);
  text += offset < 0 ? '-' : '+';
  put(text, minutes / 60, 2);
  text += ':';
  put(text, minutes % 60, 2);
  return text;
}

}  // namespace penstock
