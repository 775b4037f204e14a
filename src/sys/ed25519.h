// Ed25519 signatures, as minisign makes them: libsodium's, loaded when first asked for.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace penstock::sys {

inline constexpr size_t kPublicKeyBytes = 32;
inline constexpr size_t kSecretKeyBytes = 64;  // the public key is its second half
inline constexpr size_t kSignatureBytes = 64;

using Ed25519Public = std::array<uint8_t, kPublicKeyBytes>;
using Ed25519Secret = std::array<uint8_t, kSecretKeyBytes>;
using Ed25519Signature = std::array<uint8_t, kSignatureBytes>;

// Throws Error, which names the library, where it is not to be had; the others below cannot fail
// then.
void require_ed25519();

Ed25519Secret make_secret_key();
Ed25519Public public_part(const Ed25519Secret& key);
// Whether the second half is the public key of the first.
bool is_key_pair(const Ed25519Secret& key);
Ed25519Signature sign(std::span<const uint8_t> message, const Ed25519Secret& key);
bool is_signed_by(const Ed25519Public& key, std::span<const uint8_t> message,
                  const Ed25519Signature& signature);

// BLAKE2b with 64 bytes of digest: what minisign signs in place of the message itself.
std::array<uint8_t, 64> blake2b_512(std::span<const uint8_t> message);
// With 32 bytes: the checksum in a secret key file.
std::array<uint8_t, 32> blake2b_256(std::span<const uint8_t> message);

}  // namespace penstock::sys
