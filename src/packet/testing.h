// For the tests of this room: bytes written as hex, and the recorded packets of
// docs/formats/vectors.
#pragma once

#include <cstdint>
#include <fstream>
#include <span>
#include <string>
#include <string_view>

#include "packet/metadata.h"

namespace penstock::packet {

inline std::string from_hex(std::string_view hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return out;
}

inline std::span<const uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

inline Metadata decode(std::string_view block) {
  return decode_metadata(bytes_of(block));
}

// The whole packet, payload included; empty if there is no such vector.
inline std::string read_vector(std::string_view name) {
  std::ifstream file(std::string(PENSTOCK_SOURCE_DIR "/docs/formats/vectors/") + std::string(name));
  std::string hex;
  file >> hex;
  return from_hex(hex);
}

// Why the block is refused; "accepted" if it is not.
inline std::string refusal(std::string_view block) {
  try {
    decode(block);
  } catch (const BadHeader& e) {
    return e.message();
  }
  return "accepted";
}

}  // namespace penstock::packet
