// FNV-1a, 64 bits (draft-eastlake-fnv): tells lines from torn lines, not friends from foes.
#pragma once

#include <cstdint>
#include <string_view>

namespace penstock {

class Fnv1a {
 public:
  constexpr void add(char c) {
    hash_ ^= static_cast<unsigned char>(c);
    hash_ *= 0x100000001b3U;
  }
  // Of all that was added.
  constexpr uint64_t value() const { return hash_; }

 private:
  uint64_t hash_ = 0xcbf29ce484222325U;
};

constexpr uint64_t fnv1a(std::string_view text) {
  Fnv1a hash;
  for (const char c : text) hash.add(c);
  return hash.value();
}

}  // namespace penstock
