// What a file that is no plain job file may be instead: one that is still encoded.
#pragma once

#include <cstdint>
#include <span>

namespace penstock::packet {

// "zstd", "gzip", "OpenPGP", … by the first bytes, or null. A guess, for a sentence to people.
const char* encoding_of(std::span<const uint8_t> beginning);

}  // namespace penstock::packet
