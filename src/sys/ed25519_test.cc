#include "sys/ed25519.h"

#include <gtest/gtest.h>

#include "sys/files.h"

namespace penstock::sys {
namespace {

TEST(Ed25519, KnowsItsOwnSignaturesAndNoOthers) {
  const Ed25519Secret key = make_secret_key();
  const Ed25519Signature signature = sign(as_bytes("hello"), key);
  EXPECT_TRUE(is_signed_by(public_part(key), as_bytes("hello"), signature));
  EXPECT_FALSE(is_signed_by(public_part(key), as_bytes("hellp"), signature));
  EXPECT_FALSE(is_signed_by(public_part(make_secret_key()), as_bytes("hello"), signature));
  for (size_t bit = 0; bit < 8 * signature.size(); ++bit) {
    Ed25519Signature bad = signature;
    bad[bit / 8] = static_cast<uint8_t>(bad[bit / 8] ^ (1U << bit % 8));
    EXPECT_FALSE(is_signed_by(public_part(key), as_bytes("hello"), bad)) << bit;
  }
}

}  // namespace
}  // namespace penstock::sys
