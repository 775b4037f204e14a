#include "doctor/kernel_version.h"

#include <charconv>

namespace penstock::doctor {

std::optional<KernelVersion> parse_kernel_version(std::string_view release) {
  KernelVersion version;
  const char* at = release.data();
  const char* const end = at + release.size();
  const auto number = [&](int& into) {
    const auto [next, error] = std::from_chars(at, end, into);
    at = next;
    return error == std::errc() && into >= 0;
  };
  const auto dot = [&] {
    if (end - at < 2 || *at != '.') return false;
    ++at;
    return true;
  };
  if (!number(version.major) || !dot() || !number(version.minor)) return std::nullopt;
  if (dot() && !number(version.patch)) version.patch = 0;
  return version;
}

bool has_splice_race(std::string_view release) {
  const auto version = parse_kernel_version(release);
  return version && *version >= KernelVersion{5, 5, 0} && *version < KernelVersion{5, 10, 0};
}

}  // namespace penstock::doctor
