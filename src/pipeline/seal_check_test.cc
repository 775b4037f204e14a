#include "pipeline/seal_check.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "sys/files.h"

namespace penstock::pipeline {
namespace {

packet::Seal seal_of(std::string_view text) {
  sys::Blake2b digest;
  digest.add(sys::as_bytes(text));
  return {.length = text.size(), .digest = digest.finish()};
}

// What is said of `text` in pieces of `piece` bytes; empty if it is whole.
std::string complaint(const packet::Seal& seal, std::string_view text, size_t piece) {
  try {
    SealCheck check(seal);
    for (size_t at = 0; at < text.size(); at += piece)
      check.add(sys::as_bytes(text.substr(at, piece)));
    check.finish();
  } catch (const BrokenSeal& broken) {
    return broken.message();
  }
  return {};
}

TEST(SealCheck, TakesExactlyWhatWasSealed) {
  EXPECT_TRUE(rc::check([](const std::string& text) {
    const auto piece = *rc::gen::inRange<size_t>(1, 10);
    RC_ASSERT(complaint(seal_of(text), text, piece).empty());
  }));
}

TEST(SealCheck, SaysHowMuchOfACutPayloadIsThere) {
  EXPECT_TRUE(rc::check([](const std::string& rest) {
    const std::string text = "x" + rest;
    const auto left = *rc::gen::inRange<size_t>(0, text.size());
    RC_ASSERT(complaint(seal_of(text), text.substr(0, left), 3) ==
              "the payload is cut: " + std::to_string(left) + " of " + std::to_string(text.size()) +
                  " bytes");
  }));
}

TEST(SealCheck, NoticesEveryAlteredByte) {
  EXPECT_TRUE(rc::check([](const std::string& rest) {
    std::string text = "x" + rest;
    const packet::Seal seal = seal_of(text);
    text[*rc::gen::inRange<size_t>(0, text.size())] ^= static_cast<char>(*rc::gen::inRange(1, 128));
    RC_ASSERT(complaint(seal, text, 7) ==
              "the payload is altered: its digest differs from its seal");
  }));
}

TEST(SealCheck, ComparesEveryBitOfTheDigest) {
  for (size_t bit = 0; bit < 8 * packet::kDigestBytes; ++bit) {
    packet::Seal seal = seal_of("hello");
    seal.digest.at(bit / 8) ^= static_cast<uint8_t>(1U << bit % 8);
    EXPECT_EQ(complaint(seal, "hello", 2),
              "the payload is altered: its digest differs from its seal")
        << bit;
  }
}

TEST(SealCheck, RefusesWhatIsTooLongBeforeItsEnd) {
  const packet::Seal seal = seal_of("hello");
  SealCheck check(seal);
  check.add(sys::as_bytes("hello"));
  EXPECT_THROW(check.add(sys::as_bytes("!")), BrokenSeal);
  EXPECT_EQ(complaint(seal, "hello, world", 1),
            "the payload is altered: it has more than the 5 bytes that were sealed");
}

TEST(SealCheck, DoesNotBelieveALengthThatNothingCanHave) {
  packet::Seal seal = seal_of("hello");
  seal.length = UINT64_MAX;
  EXPECT_EQ(complaint(seal, "hello", 5), "the payload is cut: 5 of 18446744073709551615 bytes");
}

}  // namespace
}  // namespace penstock::pipeline
