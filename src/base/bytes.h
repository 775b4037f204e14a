// Big-endian integers in byte strings, as the job file has them.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

namespace penstock {

// The big-endian value of the first sizeof(T) bytes; `bytes` must hold that many.
template <std::unsigned_integral T>
constexpr T load_big(std::span<const uint8_t> bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) value = value << 8U | bytes[i];
  return static_cast<T>(value);
}

// Stores `value` big-endian into the first sizeof(T) bytes; `bytes` must hold that many.
template <std::unsigned_integral T>
constexpr void store_big(std::span<uint8_t> bytes, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) {
    bytes[i] = static_cast<uint8_t>(static_cast<uint64_t>(value) >> (8 * (sizeof(T) - 1 - i)));
  }
}

}  // namespace penstock
