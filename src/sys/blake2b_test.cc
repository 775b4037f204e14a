#include "sys/blake2b.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "sys/files.h"

namespace penstock::sys {
namespace {

std::string hex_of(Blake2b digest) {
  std::string text;
  for (const uint8_t byte : digest.finish()) {
    text += "0123456789abcdef"[byte / 16];
    text += "0123456789abcdef"[byte % 16];
  }
  return text;
}

std::string digest_of(std::string_view text) {
  Blake2b digest;
  digest.add(as_bytes(text));
  return hex_of(digest);
}

// As b2sum -l 256 prints them.
TEST(Blake2b, IsThatOfB2sum) {
  EXPECT_EQ(digest_of(""), "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
  EXPECT_EQ(digest_of("hello\n"),
            "93becc6e9882211c3ec3708c95bcd69baab7bb59c7f4bc84ce637b88a534b783");
  EXPECT_EQ(digest_of(std::string(1'000'003, 'x')),
            "33945e9d5bb6f5d1df3f186a1a7ac20e2f8eae1d1c454138ae9faa57dddf4434");
}

TEST(Blake2b, DoesNotCareAboutPieces) {
  const std::string text(5000, 'y');
  for (const size_t piece : {1U, 7U, 127U, 128U, 129U, 4096U}) {
    Blake2b digest;
    for (size_t at = 0; at < text.size(); at += piece) {
      digest.add(as_bytes(std::string_view(text).substr(at, piece)));
      digest.add({});
    }
    EXPECT_EQ(hex_of(digest), digest_of(text)) << piece;
  }
}

}  // namespace
}  // namespace penstock::sys
