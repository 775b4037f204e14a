#include "packet/metadata.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "packet/testing.h"

namespace penstock::packet {
namespace {

// Keys and values of section 3.2, as tests/conformance has them.
const std::string kSeq = "a373657105";
const std::string kCtime = "a56374696d65920506";
const std::string kKind = "a8636d645f74797065";
const std::string kNop = kKind + "a34e4f50";
const std::string kCommand = kKind + "81a7436f6d6d616e64";
const std::string kParams = "a6706172616d73";
const std::string kEnv = "a3656e76";

Metadata with_seq(const std::string& value) {
  return decode(from_hex("83a3736571" + value + kCtime + kNop));
}
Metadata with_ctime(const std::string& value) {
  return decode(from_hex("83" + kSeq + "a56374696d65" + value + kNop));
}
std::string with_kind(const std::string& value) {
  return from_hex("83" + kSeq + kCtime + kKind + value);
}
std::string with_params(const std::string& value) {
  return from_hex("83" + kSeq + kCtime + kCommand + "82" + kParams + value + kEnv + "90");
}
std::string with_env(const std::string& value) {
  return from_hex("83" + kSeq + kCtime + kCommand + "82" + kParams + "90" + kEnv + value);
}

TEST(DecodeMetadata, TakesTheSequenceNumberInAnyIntegerForm) {
  for (const char* hex : {"05", "cc05", "cd0005", "ce00000005", "cf0000000000000005", "d005",
                          "d10005", "d200000005", "d30000000000000005"}) {
    EXPECT_EQ(with_seq(hex).sequence, 5U) << hex;
  }
  EXPECT_EQ(with_seq("cfffffffffffffffff").sequence, UINT64_MAX);
}

TEST(DecodeMetadata, RefusesASequenceNumberThatIsNone) {
  for (const char* hex : {"ff", "d0ff", "d1ffff", "d2ffffffff", "d3ffffffffffffffff"}) {
    EXPECT_EQ(refusal(from_hex("83a3736571" + std::string(hex) + kCtime + kNop)),
              "seq is out of range")
        << hex;
  }
  for (const char* hex : {"ca40a00000", "cb4014000000000000", "a135", "c40135", "c0", "c3", "9105",
                          "810505", "d40505"}) {
    EXPECT_EQ(refusal(from_hex("83a3736571" + std::string(hex) + kCtime + kNop)),
              "seq is not an integer")
        << hex;
  }
}

TEST(DecodeMetadata, TakesTimesBefore1970AndLeapSeconds) {
  EXPECT_EQ(with_ctime("92ff06").created, (Timestamp{-1, 6}));
  EXPECT_EQ(with_ctime("92d0e006").created, (Timestamp{-32, 6}));
  EXPECT_EQ(with_ctime("92d1ff0006").created, (Timestamp{-256, 6}));
  EXPECT_EQ(with_ctime("92d2fffeae7f07").created, (Timestamp{-86401, 7}));
  EXPECT_EQ(with_ctime("92d3fffffffffffeae7f07").created, (Timestamp{-86401, 7}));
  EXPECT_EQ(with_ctime("dc0002d30000000000000005cd0006").created, (Timestamp{5, 6}));
  EXPECT_EQ(with_ctime("9205ce773593ff").created.nanoseconds, 1'999'999'999U);
}

TEST(DecodeMetadata, TakesTimesToTheEdgesAndNoFurther) {
  const auto with_time = [](Timestamp time) {
    return encode_metadata({.created = time, .kind = Kind::nop});
  };
  EXPECT_EQ(decode(with_time({kMinSeconds, 0})).created.seconds, kMinSeconds);
  EXPECT_EQ(decode(with_time({kMaxSeconds, 0})).created.seconds, kMaxSeconds);
  for (const Timestamp time :
       {Timestamp{kMinSeconds - 1, 0}, Timestamp{kMaxSeconds + 1, 0}, Timestamp{INT64_MIN, 0},
        Timestamp{INT64_MAX, 0}, Timestamp{5, 2'000'000'000}, Timestamp{5, UINT32_MAX}}) {
    EXPECT_EQ(refusal(with_time(time)), "ctime is out of range") << time.seconds;
  }
  for (const char* hex :
       {"9205cf0000000100000000", "92cfffffffffffffffff00", "92cf800000000000000000", "9205ff"}) {
    EXPECT_EQ(refusal(from_hex("83" + kSeq + "a56374696d65" + hex + kNop)), "ctime is out of range")
        << hex;
  }
}

TEST(DecodeMetadata, RefusesTimesOfAnotherShape) {
  for (const char* hex : {"9105", "93050505", "05", "80", "82050506", "90", "d6ff00000005",
                          "d7ff0000000000000005", "c0", "a0"}) {
    EXPECT_EQ(refusal(from_hex("83" + kSeq + "a56374696d65" + hex + kNop)),
              "ctime is not an array of two")
        << hex;
  }
  for (const char* hex : {"92c006", "9205c0", "92a13506", "9205ca3f800000", "92ca3f80000006"}) {
    EXPECT_EQ(refusal(from_hex("83" + kSeq + "a56374696d65" + hex + kNop)),
              "ctime is not an integer")
        << hex;
  }
}

TEST(DecodeMetadata, TakesTheKeysInAnyOrder) {
  const Metadata expected = decode(from_hex("83" + kSeq + kCtime + kNop));
  for (const std::string& keys : {kSeq + kNop + kCtime, kCtime + kSeq + kNop, kCtime + kNop + kSeq,
                                  kNop + kSeq + kCtime, kNop + kCtime + kSeq}) {
    EXPECT_EQ(decode(from_hex("83" + keys)), expected) << keys;
  }
  const Metadata swapped = decode(from_hex("83" + kSeq + kCtime + kCommand + "82" + kEnv +
                                           "919291619162" + kParams + "919171"));
  EXPECT_EQ(swapped.env, (std::vector<Variable>{{"a", "b"}}));
  EXPECT_EQ(swapped.params, std::vector<std::string>{"q"});
}

TEST(DecodeMetadata, TakesAnyFormOfMapArrayAndKey) {
  const Metadata expected = decode(from_hex("83" + kSeq + kCtime + kNop));
  for (const std::string& hex :
       {"de0003" + kSeq + kCtime + kNop, "df00000003" + kSeq + kCtime + kNop,
        "83d90373657105" + kCtime + kNop, "83da000373657105" + kCtime + kNop,
        "83db0000000373657105" + kCtime + kNop, "83" + kSeq + "a56374696d65dc00020506" + kNop,
        "83" + kSeq + "a56374696d65dd000000020506" + kNop,
        "83" + kSeq + kCtime + kKind + "d9034e4f50"}) {
    EXPECT_EQ(decode(from_hex(hex)), expected) << hex;
  }
  EXPECT_EQ(decode(with_kind("de0001d907436f6d6d616e64df00000002d906706172616d73dc0000"
                             "d903656e76dd00000000")),
            (Metadata{.sequence = 5, .created = {5, 6}}));
}

TEST(DecodeMetadata, KeepsUnknownKeysAsTheyCame) {
  const Metadata metadata =
      decode(from_hex("85a66675747572659201a178" + kNop + kCtime + kSeq + "a0d30000000000000001"));
  const std::vector<UnknownKey> expected = {{"future", from_hex("9201a178")},
                                            {"", from_hex("d30000000000000001")}};
  EXPECT_EQ(metadata.unknown, expected);
  EXPECT_EQ(encode_metadata(metadata),
            from_hex("85" + kSeq + kCtime + kNop + "a66675747572659201a178a0d30000000000000001"));
}

TEST(DecodeMetadata, KeepsUnknownKeysOfTheCommand) {
  const Metadata metadata = decode(from_hex("83" + kSeq + kCtime + kCommand + "84a17801" + kEnv +
                                            "90a17801" + kParams + "919171"));
  EXPECT_EQ(metadata.params, std::vector<std::string>{"q"});
  EXPECT_EQ(metadata.command_unknown, (std::vector<UnknownKey>{{"x", "\x01"}, {"x", "\x01"}}));
  EXPECT_TRUE(metadata.unknown.empty());
  EXPECT_EQ(encode_metadata(metadata), from_hex("83" + kSeq + kCtime + kCommand + "84" + kParams +
                                                "919171" + kEnv + "90a17801a17801"));
}

TEST(DecodeMetadata, LeavesAloneWhatUnknownKeysHold) {
  for (const char* hex : {"c0", "c2", "c40161", "d40561", "c7010561", "cb3ff0000000000000",
                          "9391c0818090a161", "81c0c0", "81a373657105"}) {
    const Metadata metadata = decode(from_hex("84" + kSeq + "a178" + hex + kCtime + kNop));
    EXPECT_EQ(metadata.unknown.at(0).value, from_hex(hex)) << hex;
  }
}

TEST(DecodeMetadata, FollowsUnknownValues1022ArraysDeep) {
  const auto nested = [](size_t depth) { return std::string(depth, '\x91') + "\xc0"; };
  const auto in_top = [&](size_t depth) {
    return from_hex("84" + kSeq + kCtime + kNop + "a178") + nested(depth);
  };
  const auto in_command = [&](size_t depth) {
    return from_hex("83" + kSeq + kCtime + kCommand + "83" + kParams + "90" + kEnv + "90a178") +
           nested(depth);
  };
  EXPECT_EQ(refusal(in_top(1022)), "accepted");
  EXPECT_EQ(refusal(in_command(1022)), "accepted");
  EXPECT_EQ(refusal(in_top(1023)), "the metadata is nested too deeply");
  EXPECT_EQ(refusal(in_command(1023)), "the metadata is nested too deeply");
}

TEST(DecodeMetadata, IgnoresBytesBehindTheValue) {
  EXPECT_EQ(decode(from_hex("83" + kSeq + kCtime + kNop + "c0c0ffc1")),
            decode(from_hex("83" + kSeq + kCtime + kNop)));
}

TEST(DecodeMetadata, RefusesMissingKeys) {
  EXPECT_EQ(refusal(from_hex("82" + kCtime + kNop)), "key seq is missing");
  EXPECT_EQ(refusal(from_hex("82" + kSeq + kNop)), "key ctime is missing");
  EXPECT_EQ(refusal(from_hex("82" + kSeq + kCtime)), "key cmd_type is missing");
  EXPECT_EQ(refusal(from_hex("80")), "key seq is missing");
  EXPECT_EQ(refusal(with_kind("81a7436f6d6d616e6481" + kEnv + "90")), "key params is missing");
  EXPECT_EQ(refusal(with_kind("81a7436f6d6d616e6481" + kParams + "90")), "key env is missing");
}

TEST(DecodeMetadata, RefusesKnownKeysGivenTwice) {
  EXPECT_EQ(refusal(from_hex("84" + kSeq + kCtime + kNop + kSeq)), "key seq is given twice");
  EXPECT_EQ(refusal(from_hex("84" + kSeq + kCtime + kNop + kCtime)), "key ctime is given twice");
  EXPECT_EQ(refusal(from_hex("84" + kSeq + kCtime + kNop + kNop)), "key cmd_type is given twice");
  EXPECT_EQ(
      refusal(with_kind("81a7436f6d6d616e6483" + kParams + "90" + kEnv + "90" + kParams + "90")),
      "key params is given twice");
  EXPECT_EQ(refusal(with_kind("81a7436f6d6d616e6483" + kParams + "90" + kEnv + "90" + kEnv + "90")),
            "key env is given twice");
}

TEST(DecodeMetadata, TakesParametersOnlyAsArraysOfBytes) {
  for (const char* hex : {"919261cc62", "9192d061d10062", "91dc00026162", "91dd000000026162",
                          "dc0001926162", "dd00000001926162", "9192cf0000000000000061ce00000062"}) {
    EXPECT_EQ(decode(with_params(hex)).params, std::vector<std::string>{"ab"}) << hex;
  }
  for (const char* hex :
       {"91a26162", "91c4026162", "91c0", "9101", "9180", "9191cd0100", "9191ff", "9191a161"}) {
    EXPECT_EQ(refusal(with_params(hex)), "a parameter is not an array of bytes") << hex;
  }
  for (const char* hex : {"a26162", "c4026162", "c0", "80", "05"}) {
    EXPECT_EQ(refusal(with_params(hex)), "params is not an array") << hex;
  }
}

TEST(DecodeMetadata, TakesVariablesOnlyAsPairsOfBytes) {
  const std::vector<Variable> expected = {{"a", "b"}, {"", "b"}, {"a", "b"}};
  EXPECT_EQ(decode(with_env("939291619162929091629291619162")).env, expected);
  for (const char* hex : {"81a161a162", "80", "c0", "a161"})
    EXPECT_EQ(refusal(with_env(hex)), "env is not an array") << hex;
  for (const char* hex :
       {"9193916191629163", "91919161", "9190", "91829161916291619162", "91a26162"}) {
    EXPECT_EQ(refusal(with_env(hex)), "an entry of env is not an array of two") << hex;
  }
  for (const char* hex : {"9192a1619162", "9192c401619162", "9192809162"}) {
    EXPECT_EQ(refusal(with_env(hex)), "a name in env is not an array of bytes") << hex;
  }
  for (const char* hex : {"91929161a162", "91929161c40162", "91929161c0"}) {
    EXPECT_EQ(refusal(with_env(hex)), "a value in env is not an array of bytes") << hex;
  }
}

TEST(DecodeMetadata, TakesAnyByteInParametersAndVariables) {
  Metadata metadata{.sequence = 1};
  for (int byte = 0; byte < 256; ++byte) metadata.params.emplace_back(1, static_cast<char>(byte));
  metadata.env = {{std::string("\0=\n\xff", 4), std::string("\0", 1)}, {"", ""}};
  EXPECT_EQ(decode(encode_metadata(metadata)), metadata);
}

TEST(DecodeMetadata, RefusesUnknownKindsOfJob) {
  for (const char* hex :
       {"a36e6f70", "a34e6f70", "a446414946", "a3466f6f", "a7436f6d6d616e64", "a0", "c0", "00",
        "90", "80", "81a34e4f50c0", "81a44661696cc0", "81a3466f6fc0", "c4034e4f50",
        "82a7436f6d6d616e6482a6706172616d7390a3656e7690a34e4f50c0"}) {
    EXPECT_EQ(refusal(with_kind(hex)), "cmd_type is none of Command, NOP and Fail") << hex;
  }
}

TEST(DecodeMetadata, RefusesWhatNoWriterProduces) {
  EXPECT_EQ(refusal(from_hex("9305920506a34e4f50")), "the metadata is not a map");
  EXPECT_EQ(refusal(with_kind("81a7436f6d6d616e64929090")), "the value of Command is not a map");
  EXPECT_EQ(refusal(with_kind("81a7436f6d6d616e64c0")), "the value of Command is not a map");
  EXPECT_EQ(refusal(from_hex("83c40373657105" + kCtime + kNop)), "a key is not a string");
  EXPECT_EQ(refusal(from_hex("8300050192050602a34e4f50")), "a key is not a string");
  EXPECT_EQ(refusal(with_kind("8100829090")), "a key is not a string");
  EXPECT_EQ(refusal(with_kind("81a7436f6d6d616e648200900190")), "a key is not a string");
  EXPECT_EQ(refusal(from_hex("c0")), "the metadata is not a map");
  EXPECT_EQ(refusal(from_hex("c1")), "the metadata is not MessagePack");
  EXPECT_EQ(refusal(from_hex("84" + kSeq + kCtime + kNop + "a178c1")),
            "the metadata is not MessagePack");
  EXPECT_EQ(refusal(""), "the metadata is cut short");
}

TEST(DecodeMetadata, RefusesEveryTruncation) {
  const std::string whole =
      from_hex("84" + kSeq + kCtime + kCommand + "83" + kParams + "92926162dc000161" + kEnv +
               "9192916191cc80a17891c0a17a9391c0818090a161");
  ASSERT_EQ(refusal(whole), "accepted");
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(refusal(whole.substr(0, size)), "the metadata is cut short") << size;
  }
}

TEST(DecodeMetadata, BelievesNoCountBeforeTheElementsAreThere) {
  // Under the address sanitizer a reservation of 4 billion strings would end the test.
  EXPECT_EQ(refusal(from_hex("83" + kSeq + kCtime + kCommand + "82" + kParams + "ddffffffff90")),
            "the metadata is cut short");
  EXPECT_EQ(
      refusal(from_hex("83" + kSeq + kCtime + kCommand + "82" + kEnv + "ddffffffff9291619162")),
      "the metadata is cut short");
  EXPECT_EQ(refusal(from_hex("dfffffffff" + kSeq + kCtime + kNop)), "the metadata is cut short");
  EXPECT_EQ(refusal(from_hex("83" + kSeq + kCtime + kCommand + "82" + kParams + "91ddffffffff61")),
            "the metadata is cut short");
}

TEST(DecodeMetadata, RefusesMoreItemsThanAnExecTakes) {
  Metadata metadata{.sequence = 1};
  metadata.params.resize(kMaxItems);
  const std::string most = encode_metadata(metadata);
  EXPECT_EQ(decode(most).params.size(), kMaxItems);
  const std::string more = most.substr(0, most.size() - 5) + from_hex("a3656e7691929090");
  EXPECT_EQ(refusal(more), "there are more than 700000 parameters, variables and keys");
  metadata.unknown.push_back({"x", "\xc0"});
  EXPECT_THROW(encode_metadata(metadata), Error);
}

TEST(EncodeMetadata, WritesOnlyACommandWithParameters) {
  EXPECT_EQ(encode_metadata({.sequence = 5, .created = {5, 6}, .kind = Kind::nop, .params = {"x"}}),
            from_hex("83" + kSeq + kCtime + kNop));
}

const std::string kSealKey = "ad70656e73746f636b5f7365616c";
const std::string kBlake = "ab626c616b6532622d323536";
const std::string kLength = "cd07d0";  // 2000
const std::string kHex = "d940" + [] {
  std::string digits;
  for (int i = 0; i < 32; ++i) digits += "3061";  // "0a"
  return digits;
}();
std::string with_seal(const std::string& value) {
  return from_hex("84" + kSeq + kCtime + kNop + kSealKey + value);
}

TEST(DecodeMetadata, ReadsASealInAnyIntegerFormAndAnyPlaceOfTheMap) {
  Seal seal{.length = 2000};
  seal.digest.fill(0x0a);
  for (const char* length : {"cd07d0", "ce000007d0", "cf00000000000007d0", "d107d0"}) {
    EXPECT_EQ(decode(with_seal("93" + kBlake + length + kHex)).seal, seal) << length;
  }
  const std::string first =
      from_hex("84" + kSealKey + "93" + kBlake + kLength + kHex + kSeq + kCtime + kNop);
  EXPECT_EQ(decode(first).seal, seal);
  EXPECT_EQ(decode(first).unknown.size(), 0U);
}

TEST(DecodeMetadata, TakesTheGreatestLengthInASeal) {
  EXPECT_EQ(decode(with_seal("93" + kBlake + "cfffffffffffffffff" + kHex)).seal->length,
            UINT64_MAX);
}

TEST(DecodeMetadata, RefusesASealThatItCannotRead) {
  const std::string end = kLength + kHex;
  const std::string three = "the seal is not an array of three";
  for (const std::string& value : {std::string("c0"), "92" + kBlake + kLength, "81" + kBlake + "07",
                                   "94" + kBlake + end + "00", std::string("a0")}) {
    EXPECT_EQ(refusal(with_seal(value)), three) << value;
  }
  EXPECT_EQ(refusal(with_seal("9301" + end)), "the seal does not name its digest");
  EXPECT_EQ(refusal(with_seal("93a3736861" + end)), "the seal is of a kind other than blake2b-256");
  EXPECT_EQ(refusal(with_seal("93" + kBlake + "ff" + kHex)),
            "the length in the seal is out of range");
  EXPECT_EQ(refusal(with_seal("93" + kBlake + "c0" + kHex)),
            "the length in the seal is not an integer");
  const std::string twice = kSealKey + "93" + kBlake + end;
  EXPECT_EQ(refusal(from_hex("85" + kSeq + kCtime + kNop + twice + twice)),
            "key penstock_seal is given twice");
}

TEST(DecodeMetadata, RefusesADigestThatIsNotExactly64DigitsInLowerCase) {
  const std::string good = kHex.substr(4);
  for (const std::string& value :
       {"d93f" + good.substr(2), "d941" + good + "30", "d940" + good.substr(2) + "41",
        "d940" + good.substr(2) + "67", "c440" + good, std::string("07"), std::string("a0")}) {
    EXPECT_EQ(refusal(with_seal("93" + kBlake + kLength + value)),
              "the digest in the seal is not one")
        << value;
  }
}

}  // namespace
}  // namespace penstock::packet
