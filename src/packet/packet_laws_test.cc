// Laws that hold for any metadata, against a second, slow reading of the format.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "packet/header.h"
#include "packet/testing.h"

namespace rc {

using penstock::Timestamp;
using penstock::packet::Kind;
using penstock::packet::Metadata;
using penstock::packet::Seal;
using penstock::packet::UnknownKey;
using penstock::packet::Variable;

namespace {

// Small numbers, and those around the places where a form gets longer.
Gen<uint64_t> number() {
  return gen::oneOf(gen::arbitrary<uint64_t>(),
                    gen::element<uint64_t>(0, 127, 128, 255, 256, 65535, 65536, UINT32_MAX,
                                           uint64_t{UINT32_MAX} + 1, UINT64_MAX));
}

Gen<std::string> bytes() {
  return gen::weightedOneOf<std::string>(
      {{20, gen::container<std::string>(gen::arbitrary<char>())},
       {5, gen::container<std::string>(15, gen::arbitrary<char>())},
       {5, gen::container<std::string>(16, gen::arbitrary<char>())},
       {1, gen::just(std::string(300, 'x'))}});
}

Gen<std::vector<UnknownKey>> unknown_keys() {
  const auto key = gen::suchThat(gen::arbitrary<std::string>(), [](const std::string& text) {
    return text != "seq" && text != "ctime" && text != "cmd_type" && text != "params" &&
           text != "env" && text != "penstock_seal" && text != "penstock_signature";
  });
  const auto value = gen::map(gen::element("c0", "07", "cc07", "9201a178", "81a16b90", "c40161",
                                           "d7ff0000000000000005", "cb3ff0000000000000"),
                              [](const char* hex) { return penstock::packet::from_hex(hex); });
  return gen::container<std::vector<UnknownKey>>(
      gen::build<UnknownKey>(gen::set(&UnknownKey::key, key), gen::set(&UnknownKey::value, value)));
}

}  // namespace

template <>
struct Arbitrary<Seal> {
  static Gen<Seal> arbitrary() {
    const auto byte = gen::arbitrary<uint8_t>();
    return gen::build<Seal>(
        gen::set(&Seal::length, number()),
        gen::set(&Seal::digest, gen::container<penstock::packet::Digest>(byte)));
  }
};

template <>
struct Arbitrary<Metadata> {
  static Gen<Metadata> arbitrary() {
    const auto time = gen::build<Timestamp>(
        gen::set(&Timestamp::seconds,
                 gen::oneOf(gen::inRange<int64_t>(penstock::kMinSeconds, penstock::kMaxSeconds + 1),
                            gen::inRange<int64_t>(-40000, 70000))),
        gen::set(&Timestamp::nanoseconds, gen::inRange<uint32_t>(0, 2'000'000'000)));
    const auto variable = gen::build<Variable>(gen::set(&Variable::name, bytes()),
                                               gen::set(&Variable::value, bytes()));
    const auto some_seal = gen::map(
        gen::maybe(gen::arbitrary<Seal>()),
        [](const Maybe<Seal>& each) { return each ? std::optional(*each) : std::nullopt; });
    const auto command = gen::build<Metadata>(
        gen::set(&Metadata::sequence, number()), gen::set(&Metadata::created, time),
        gen::set(&Metadata::params, gen::container<std::vector<std::string>>(bytes())),
        gen::set(&Metadata::env, gen::container<std::vector<Variable>>(variable)),
        gen::set(&Metadata::command_unknown, unknown_keys()), gen::set(&Metadata::seal, some_seal),
        gen::set(&Metadata::unknown, unknown_keys()));
    const auto other = gen::build<Metadata>(
        gen::set(&Metadata::sequence, number()), gen::set(&Metadata::created, time),
        gen::set(&Metadata::kind, gen::element(Kind::nop, Kind::fail)),
        gen::set(&Metadata::seal, some_seal), gen::set(&Metadata::unknown, unknown_keys()));
    return gen::oneOf(command, other);
  }
};

}  // namespace rc

namespace penstock::packet {
namespace {

// The format of section 3.1, written down a second time and as plainly as can be.
std::string big_endian(uint64_t value, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}
std::string plain_number(uint64_t value) {
  if (value < 128) return big_endian(value, 1);
  if (value <= UINT8_MAX) return "\xcc" + big_endian(value, 1);
  if (value <= UINT16_MAX) return "\xcd" + big_endian(value, 2);
  if (value <= UINT32_MAX) return "\xce" + big_endian(value, 4);
  return "\xcf" + big_endian(value, 8);
}
std::string plain_seconds(int64_t value) {
  const auto bits = static_cast<uint64_t>(value);
  if (value >= 0) return plain_number(bits);
  if (value >= -32) return big_endian(bits, 1);
  if (value >= INT8_MIN) return "\xd0" + big_endian(bits, 1);
  if (value >= INT16_MIN) return "\xd1" + big_endian(bits, 2);
  if (value >= INT32_MIN) return "\xd2" + big_endian(bits, 4);
  return "\xd3" + big_endian(bits, 8);
}
std::string plain_array(size_t count) {
  if (count < 16) return big_endian(0x90 + count, 1);
  if (count <= UINT16_MAX) return "\xdc" + big_endian(count, 2);
  return "\xdd" + big_endian(count, 4);
}
std::string plain_bytes(const std::string& bytes) {
  std::string out = plain_array(bytes.size());
  for (const char byte : bytes) out += plain_number(static_cast<uint8_t>(byte));
  return out;
}
std::string plain_block(const Metadata& metadata) {
  std::string out = "\x83\xa3seq" + plain_number(metadata.sequence) +
                    "\xa5"
                    "ctime\x92" +
                    plain_seconds(metadata.created.seconds) +
                    plain_number(metadata.created.nanoseconds) +
                    "\xa8"
                    "cmd_type";
  if (metadata.kind == Kind::nop) return out + "\xa3NOP";
  if (metadata.kind == Kind::fail)
    return out +
           "\xa4"
           "Fail";
  out +=
      "\x81\xa7"
      "Command\x82\xa6params" +
      plain_array(metadata.params.size());
  for (const std::string& param : metadata.params) out += plain_bytes(param);
  out +=
      "\xa3"
      "env" +
      plain_array(metadata.env.size());
  for (const Variable& variable : metadata.env)
    out += "\x92" + plain_bytes(variable.name) + plain_bytes(variable.value);
  return out;
}

TEST(PacketLaws, DecodingUndoesEncoding) {
  EXPECT_TRUE(rc::check(
      [](const Metadata& metadata) { return decode(encode_metadata(metadata)) == metadata; }));
  EXPECT_TRUE(rc::check([](const Metadata& metadata) {
    return decode(encode_metadata(metadata, SequenceWidth::fixed)) == metadata;
  }));
}

TEST(PacketLaws, HeadersHaveTheShortestForms) {
  EXPECT_TRUE(rc::check([](Metadata metadata) {
    metadata.seal.reset();
    metadata.unknown.clear();
    metadata.command_unknown.clear();
    return encode_header(metadata).substr(kPrefixBytes) == plain_block(metadata);
  }));
}

TEST(PacketLaws, LongListsHaveTheShortestFormsToo) {
  for (const size_t count : {15U, 16U, 65535U, 65536U}) {
    const Metadata metadata{.params = std::vector<std::string>(count),
                            .env = {{std::string(count, 'x'), std::string(count, '\xff')}}};
    EXPECT_EQ(encode_metadata(metadata), plain_block(metadata)) << count;
    EXPECT_EQ(decode(encode_metadata(metadata)), metadata) << count;
  }
}

TEST(PacketLaws, ASealIsAKeyMoreBehindTheKnownOnesAndAlwaysOfOneSize) {
  EXPECT_TRUE(rc::check([](Metadata metadata, const Seal& seal) {
    metadata.unknown.clear();
    metadata.command_unknown.clear();
    metadata.seal.reset();
    std::string expected = plain_block(metadata);
    metadata.seal = seal;
    expected[0] = '\x84';
    std::string hex;
    for (const uint8_t byte : seal.digest) {
      hex += "0123456789abcdef"[byte / 16];
      hex += "0123456789abcdef"[byte % 16];
    }
    expected += "\xadpenstock_seal\x93\xab" + std::string("blake2b-256\xcf") +
                big_endian(seal.length, 8) + "\xd9\x40" + hex;
    return encode_metadata(metadata) == expected;
  }));
}

TEST(PacketLaws, NothingCutIsAccepted) {
  EXPECT_TRUE(rc::check([](const Metadata& metadata) {
    const std::string block = encode_metadata(metadata);
    const auto size = *rc::gen::inRange<size_t>(0, block.size());
    return refusal(block.substr(0, size)) == "the metadata is cut short";
  }));
}

}  // namespace
}  // namespace penstock::packet
