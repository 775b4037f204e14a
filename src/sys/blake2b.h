// BLAKE2b with 32 bytes of digest and no key: the digest of seals. It is libsodium's, loaded when
// the first digest is begun (docs/decisions/0006-seals.md), so that a run without seals pays
// nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace penstock::sys {

class Blake2b {
 public:
  static constexpr size_t kBytes = 32;

  // Throws Error, which names the library, where it is not to be had.
  Blake2b();

  void add(std::span<const uint8_t> bytes);
  // Of all that was added. The object is of no use then.
  std::array<uint8_t, kBytes> finish();

 private:
  // The library says how much it needs (384 bytes), and wants it aligned so.
  alignas(64) std::array<uint8_t, 512> state_{};
};

}  // namespace penstock::sys
