#include "sys/blake2b.h"

#include <cassert>

#include "sys/sodium.h"

namespace penstock::sys {

namespace {

// The functions' types as the library's manual has them; its headers are not needed to build.
struct Sodium {
  size_t (*state_bytes)() = nullptr;
  int (*begin)(void* state, const uint8_t* key, size_t key_bytes, size_t out_bytes) = nullptr;
  int (*update)(void* state, const uint8_t* in, unsigned long long bytes) = nullptr;
  int (*finish)(void* state, uint8_t* out, size_t out_bytes) = nullptr;
};

Sodium load() {
  void* library = sodium_library("seals");
  Sodium sodium;
  find(library, "crypto_generichash_statebytes", sodium.state_bytes);
  find(library, "crypto_generichash_init", sodium.begin);
  find(library, "crypto_generichash_update", sodium.update);
  find(library, "crypto_generichash_final", sodium.finish);
  return sodium;
}

// Tried again each time as long as it cannot be had.
const Sodium& sodium() {
  static const Sodium loaded = load();
  return loaded;
}

}  // namespace

Blake2b::Blake2b() {
  assert(sodium().state_bytes() <= state_.size());
  sodium().begin(state_.data(), nullptr, 0, kBytes);
}

void Blake2b::add(std::span<const uint8_t> bytes) {
  sodium().update(state_.data(), bytes.data(), bytes.size());
}

std::array<uint8_t, Blake2b::kBytes> Blake2b::finish() {
  std::array<uint8_t, kBytes> digest{};
  sodium().finish(state_.data(), digest.data(), digest.size());
  return digest;
}

}  // namespace penstock::sys
