// FNV-1a, 64 bits (draft-eastlake-fnv): tells lines from torn lines, not friends from foes.
#pragma once

#include <cstdint>
#include <string_view>

namespace penstock {

constexpr uint64_t fnv1a(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3U;
  }
  return hash;
}

}  // namespace penstock
