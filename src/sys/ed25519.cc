#include "sys/ed25519.h"

#include <algorithm>

#include "sys/sodium.h"

namespace penstock::sys {

namespace {

// The functions' types as the library's manual has them; its headers are not needed to build.
struct Sodium {
  int (*keypair)(uint8_t* public_key, uint8_t* secret_key) = nullptr;
  int (*seed_keypair)(uint8_t* public_key, uint8_t* secret_key, const uint8_t* seed) = nullptr;
  int (*sign)(uint8_t* signature, unsigned long long* signature_bytes, const uint8_t* message,
              unsigned long long bytes, const uint8_t* secret_key) = nullptr;
  int (*verify)(const uint8_t* signature, const uint8_t* message, unsigned long long bytes,
                const uint8_t* public_key) = nullptr;
  int (*hash)(uint8_t* out, size_t out_bytes, const uint8_t* in, unsigned long long bytes,
              const uint8_t* key, size_t key_bytes) = nullptr;
};

Sodium load() {
  void* library = sodium_library("signatures");
  Sodium sodium;
  find(library, "crypto_sign_keypair", sodium.keypair);
  find(library, "crypto_sign_seed_keypair", sodium.seed_keypair);
  find(library, "crypto_sign_detached", sodium.sign);
  find(library, "crypto_sign_verify_detached", sodium.verify);
  find(library, "crypto_generichash", sodium.hash);
  return sodium;
}

// Tried again each time as long as it cannot be had.
const Sodium& sodium() {
  static const Sodium loaded = load();
  return loaded;
}

template <size_t bytes>
std::array<uint8_t, bytes> hash(std::span<const uint8_t> message) {
  std::array<uint8_t, bytes> digest{};
  sodium().hash(digest.data(), digest.size(), message.data(), message.size(), nullptr, 0);
  return digest;
}

}  // namespace

void require_ed25519() {
  sodium();
}

Ed25519Secret make_secret_key() {
  Ed25519Public half{};
  Ed25519Secret key{};
  sodium().keypair(half.data(), key.data());
  return key;
}

Ed25519Public public_part(const Ed25519Secret& key) {
  Ed25519Public half{};
  std::copy(key.end() - half.size(), key.end(), half.begin());
  return half;
}

bool is_key_pair(const Ed25519Secret& key) {
  Ed25519Public half{};
  Ed25519Secret again{};
  sodium().seed_keypair(half.data(), again.data(), key.data());
  return again == key;
}

Ed25519Signature sign(std::span<const uint8_t> message, const Ed25519Secret& key) {
  Ed25519Signature signature{};
  sodium().sign(signature.data(), nullptr, message.data(), message.size(), key.data());
  return signature;
}

bool is_signed_by(const Ed25519Public& key, std::span<const uint8_t> message,
                  const Ed25519Signature& signature) {
  return sodium().verify(signature.data(), message.data(), message.size(), key.data()) == 0;
}

std::array<uint8_t, 64> blake2b_512(std::span<const uint8_t> message) {
  return hash<64>(message);
}

std::array<uint8_t, 32> blake2b_256(std::span<const uint8_t> message) {
  return hash<32>(message);
}

}  // namespace penstock::sys
