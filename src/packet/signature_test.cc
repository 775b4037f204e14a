#include "packet/signature.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/error.h"
#include "packet/header.h"
#include "packet/testing.h"

namespace rc {

using penstock::packet::Signature;

template <>
struct Arbitrary<Signature> {
  static Gen<Signature> arbitrary() {
    const auto byte = gen::arbitrary<uint8_t>();
    return gen::build<Signature>(
        gen::set(&Signature::kind, gen::element(Signature::Kind::hashed, Signature::Kind::plain)),
        gen::set(&Signature::key, gen::container<penstock::packet::KeyId>(byte)),
        gen::set(&Signature::of_header, gen::container<std::array<uint8_t, 64>>(byte)),
        gen::set(&Signature::comment,
                 gen::container<std::string>(gen::oneOf(gen::inRange(' ', '~'), gen::just('\t')))),
        gen::set(&Signature::of_comment, gen::container<std::array<uint8_t, 64>>(byte)));
  }
};

}  // namespace rc

namespace penstock::packet {
namespace {

// Made by minisign 0.11: -G -W, and -S -m of the line "hi".
constexpr std::string_view kPublic =
    "untrusted comment: minisign public key 64C7F847C3182C80\n"
    "RWSALBjDR/jHZPB5PzzlcPttwFnt+oW+wyHC8F7yCtjD4asvI9B7Io6v\n";
constexpr std::string_view kSigned =
    "untrusted comment: signature from minisign secret key\n"
    "RUSALBjDR/jHZLBQI6emcJ2KRu0ULe4f1yMQZ/oD76d1D7d9HB6DYz0tO62qxotGRka6+al3u6AuGazjZSihn6FeEmFpLH"
    "gBWAM=\n"
    "trusted comment: timestamp:1795659848\tfile:m\thashed\n"
    "DdBf7B0JP8eCVqpoBVQJRvYbkTLrPqTWA41W2HginZy3XTzjkPfgyK6A3euB2FKGr/itW9bPUDCEzZb3mpQcAg==\n";

template <typename Parse>
std::string refused(const Parse& parse, const std::string& text) {
  try {
    parse(text);
  } catch (const Error& error) {
    return error.message();
  }
  return "accepted";
}

Metadata signed_job(const Signature& signature) {
  return {.sequence = 7, .params = {"a"}, .seal = Seal{.length = 3}, .signature = signature};
}

HeaderReader read(const std::string& header) {
  HeaderReader reader;
  std::span<const uint8_t> rest = bytes_of(header);
  while (!reader.done()) {
    const size_t count = std::min(rest.size(), reader.wanted());
    if (count == 0) reader.end_of_input();
    reader.feed(rest.first(count));
    rest = rest.subspan(count);
  }
  return reader;
}

std::string refused_header(const std::string& header) {
  return refused([](const std::string& text) { read(text); }, header);
}

std::string with_good_sums(const std::string& block) {
  return encode_prefix(block) + block;
}

TEST(Signature, FilesOfMinisignAreUnderstood) {
  const Signature signature = parse_signature_file(kSigned);
  EXPECT_EQ(signature.kind, Signature::Kind::hashed);
  EXPECT_EQ(to_hex(signature.key), "64C7F847C3182C80");
  EXPECT_TRUE(signature.has_field("file:m"));
  EXPECT_FALSE(signature.has_field("file:"));
  const auto keys = parse_public_keys(kPublic);
  ASSERT_EQ(keys.size(), 1U);
  EXPECT_EQ(keys[0].id, signature.key);
  EXPECT_EQ(public_key_file(keys[0]), kPublic);
}

TEST(Signature, AFileMayHoldSeveralPublicKeys) {
  const std::string key(kPublic.substr(kPublic.find('\n') + 1));
  EXPECT_EQ(parse_public_keys("# mine\n" + key + "\n" + std::string(kPublic) + key).size(), 3U);
  EXPECT_EQ(parse_public_keys(key.substr(0, key.size() - 1) + "\r\n").size(), 1U);
  EXPECT_EQ(refused(parse_public_keys, ""), "has no public key");
  EXPECT_EQ(refused(parse_public_keys, "# none\n"), "has no public key");
  EXPECT_EQ(refused(parse_public_keys, key + "RWS"), "has no public key of minisign in line 2");
}

TEST(Signature, FilesAreReadAsTheyWereWritten) {
  EXPECT_TRUE(rc::check([](const Signature& signature) {
    return parse_signature_file(signature_file(signature)) == signature;
  }));
  SecretKey key{.id = {1, 2, 3}, .key = {4, 5}, .checksum = {6}};
  EXPECT_EQ(parse_secret_key(secret_key_file(key)), key);
}

TEST(Signature, AKeyWithAPasswordIsRefusedAndSaysWhatToDo) {
  std::string text = secret_key_file({});
  // "Ed" and then "Sc" rather than two zeros.
  text.replace(text.find("RWQA"), 6, "RWRTY0");
  EXPECT_NE(refused(parse_secret_key, text).find("encrypted with a password"), std::string::npos);
}

TEST(Signature, NoAlteredFileIsReadAsTheSame) {
  const std::string text(kSigned);
  const Signature good = parse_signature_file(text);
  // Behind the first line, which nobody signs.
  for (size_t at = text.find('\n'); at < text.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string bad = text;
      bad[at] = static_cast<char>(bad[at] ^ (1U << bit));
      try {
        EXPECT_FALSE(parse_signature_file(bad) == good) << at << " " << bit;
      } catch (const Error&) {
      }
    }
  }
}

TEST(Signature, SignsTheWholeHeaderAsItWasBefore) {
  EXPECT_TRUE(rc::check([](const Signature& signature, uint64_t number) {
    Metadata metadata = signed_job(signature);
    metadata.sequence = number;
    const std::string with = encode_header(metadata);
    metadata.signature.reset();
    const HeaderReader reader = read(with);
    return reader.metadata().signature == signature &&
           reader.header_before_signing() == encode_header(metadata);
  }));
}

TEST(Signature, OfAMapThatGrowsOutOfItsShortHead) {
  Metadata metadata = signed_job({});
  // With the signature 16 keys.
  for (char c = 'a'; c < 'a' + 11; ++c)
    metadata.unknown.push_back({.key = std::string(1, c), .value = "\x07"});
  const HeaderReader reader = read(encode_header(metadata));
  metadata.signature.reset();
  EXPECT_EQ(reader.header_before_signing(), encode_header(metadata));
}

TEST(Signature, TakesAsManyBytesWhateverItSays) {
  const Signature all_ones{.kind = Signature::Kind::plain, .key = {255}, .comment = "abc"};
  EXPECT_EQ(encode_header(signed_job({.comment = "xyz"})).size(),
            encode_header(signed_job(all_ones)).size());
}

// With checksums made again, so that only the signature can tell: each bit of the header is in what
// is signed, or in the signature, or makes it no header.
TEST(Signature, CoversEachBitOfTheHeader) {
  const Signature signature = parse_signature_file(kSigned);
  const std::string block = encode_metadata(signed_job(signature));
  const std::string before = read(with_good_sums(block)).header_before_signing();
  size_t accepted = 0;
  for (size_t at = 0; at < block.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string bad = block;
      bad[at] = static_cast<char>(bad[at] ^ (1U << bit));
      try {
        const HeaderReader reader = read(with_good_sums(bad));
        EXPECT_FALSE(reader.metadata().signature == signature &&
                     reader.header_before_signing() == before)
            << at << " " << bit;
        ++accepted;
      } catch (const BadHeader&) {
      }
    }
  }
  EXPECT_GT(accepted, 500U);
}

TEST(Signature, StandsLastAndInOneForm) {
  const std::string block = encode_metadata(signed_job(parse_signature_file(kSigned)));
  EXPECT_EQ(refused_header(with_good_sums(block)), "accepted");
  const std::string complaint = "the signature is not its last key, in its one form";
  EXPECT_EQ(refused_header(with_good_sums(block + "x")), complaint);
  std::string more = block + "\xa1z\x07";
  more[0] = static_cast<char>(more[0] + 1);
  EXPECT_EQ(refused_header(with_good_sums(more)), complaint);
  // The head of the map in three bytes.
  EXPECT_EQ(refused_header(with_good_sums(std::string("\xde\x00\x05", 3) + block.substr(1))),
            complaint);
  std::string twice = block + block.substr(block.find("\xb2penstock_signature"));
  twice[0] = static_cast<char>(twice[0] + 1);
  EXPECT_EQ(refused_header(with_good_sums(twice)), "key penstock_signature is given twice");
}

TEST(Signature, NeedsASeal) {
  Metadata metadata = signed_job({});
  metadata.seal.reset();
  EXPECT_EQ(refused_header(encode_header(metadata)), "it is signed, but not sealed");
}

TEST(Signature, HasNoCommentThatWouldHurtATerminal) {
  for (const char* comment : {"\x1b[2J", "a\nb", "\xff", "\x7f"})
    EXPECT_EQ(refused_header(encode_header(signed_job({.comment = comment}))),
              "the signature is not one");
  EXPECT_EQ(refused_header(encode_header(signed_job({.comment = "a\tb"}))), "accepted");
}

}  // namespace
}  // namespace penstock::packet
