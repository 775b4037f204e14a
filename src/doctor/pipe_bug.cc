#include "doctor/pipe_bug.h"

#include <array>
#include <compare>
#include <cstdint>
#include <optional>

#include "base/text.h"

namespace penstock::doctor {

namespace {

struct Version {
  uint64_t major = 0;
  uint64_t minor = 0;
  uint64_t patch = 0;

  auto operator<=>(const Version&) const = default;
};

// "6.1.0-13-amd64" is 6.1.0, "5.10" is 5.10.0.
std::optional<Version> parse_version(std::string_view release) {
  std::array<uint64_t, 3> parts{};
  for (size_t i = 0; i < parts.size(); ++i) {
    const size_t end = release.find_first_not_of("0123456789");
    const std::optional<uint64_t> part = parse_u64(release.substr(0, end));
    if (!part) return std::nullopt;
    parts.at(i) = *part;
    if (end == std::string_view::npos || release[end] != '.') {
      if (i == 0) return std::nullopt;
      break;
    }
    release.remove_prefix(end + 1);
  }
  return Version{parts[0], parts[1], parts[2]};
}

struct Range {
  Version first;
  Version mended;
};

constexpr std::array<Range, 5> kRanges = {{
    {{5, 8, 0}, {5, 10, 210}},
    {{5, 11, 0}, {5, 15, 149}},
    {{5, 16, 0}, {6, 1, 76}},
    {{6, 2, 0}, {6, 6, 15}},
    {{6, 7, 0}, {6, 7, 3}},
}};

}  // namespace

bool kernel_has_lost_wakeup(std::string_view release) {
  const std::optional<Version> version = parse_version(release);
  if (!version) return false;
  for (const Range& range : kRanges) {
    if (*version >= range.first && *version < range.mended) return true;
  }
  return false;
}

}  // namespace penstock::doctor
