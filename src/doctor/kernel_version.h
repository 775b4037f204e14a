// A kernel's version by number. Distributions port fixes back, so what follows from it is likely,
// never certain.
#pragma once

#include <compare>
#include <optional>
#include <string_view>

namespace penstock::doctor {

struct KernelVersion {
  int major = 0;
  int minor = 0;
  int patch = 0;

  auto operator<=>(const KernelVersion&) const = default;
};

// "6.1.0-18-amd64" is 6.1.0; nothing if it starts with no such number.
std::optional<KernelVersion> parse_kernel_version(std::string_view release);

// 5.5 to 5.9: splice's old wait could miss a wakeup (R02).
bool has_splice_race(std::string_view release);

}  // namespace penstock::doctor
