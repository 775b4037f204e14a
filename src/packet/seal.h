// A job's seal: how long its payload is and what its digest is, so that a reader can tell a whole
// payload from one that was cut or altered. docs/formats/seal.md has the form and the limits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace penstock::packet {

// BLAKE2b with 256 bits, as `b2sum -l 256` prints it (docs/decisions/0006-seals.md).
inline constexpr size_t kDigestBytes = 32;
using Digest = std::array<uint8_t, kDigestBytes>;

struct Seal {
  uint64_t length = 0;
  Digest digest{};

  bool operator==(const Seal&) const = default;
};

// 64 digits, lower case.
std::string to_hex(const Digest& digest);
// Nothing unless it is exactly what to_hex() makes.
std::optional<Digest> digest_from_hex(std::string_view text);

}  // namespace penstock::packet
