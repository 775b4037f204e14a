#include "sys/blake2b.h"

#include <dlfcn.h>

#include <cassert>
#include <string>

#include "base/error.h"
#include "base/text.h"

namespace penstock::sys {

namespace {

// The functions' types as the library's manual has them; its headers are not needed to build.
struct Sodium {
  int (*init)() = nullptr;
  size_t (*state_bytes)() = nullptr;
  int (*begin)(void* state, const uint8_t* key, size_t key_bytes, size_t out_bytes) = nullptr;
  int (*update)(void* state, const uint8_t* in, unsigned long long bytes) = nullptr;
  int (*finish)(void* state, uint8_t* out, size_t out_bytes) = nullptr;
};

template <typename Function>
void find(void* library, const char* name, Function*& function) {
  function = reinterpret_cast<Function*>(dlsym(library, name));
  if (function == nullptr) throw Error(cat("libsodium has no ", name));
}

Sodium load() {
  void* library = nullptr;
  // The second number is that of later versions; these functions are the same in both.
  for (const char* name : {"libsodium.so.23", "libsodium.so.26"}) {
    if (library == nullptr) library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  }
  if (library == nullptr) throw Error("seals need libsodium (libsodium.so.23), which is not there");
  Sodium sodium;
  find(library, "sodium_init", sodium.init);
  find(library, "crypto_generichash_statebytes", sodium.state_bytes);
  find(library, "crypto_generichash_init", sodium.begin);
  find(library, "crypto_generichash_update", sodium.update);
  find(library, "crypto_generichash_final", sodium.finish);
  // It looks which instructions the processor has.
  if (sodium.init() < 0) throw Error("libsodium cannot be used on this machine");
  return sodium;
}

// Never unloaded. Tried again each time as long as it cannot be had.
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
