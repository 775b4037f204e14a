#include "packet/messagepack.h"

#include <gtest/gtest.h>

#include "packet/testing.h"

namespace penstock::packet {
namespace {

std::string repeat(std::string_view piece, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += piece;
  return out;
}

std::string skipped(const std::string& bytes) {
  MessagePackReader reader(bytes_of(bytes));
  return std::string(reader.skip_value());
}

TEST(MessagePackReader, StopsBehindTheHeadOfAnArrayOrMap) {
  for (const char* head : {"92", "dc0002", "dd00000002", "82", "de0002", "df00000002"}) {
    const std::string bytes = from_hex(std::string(head) + "07a16bc3");
    MessagePackReader reader(bytes_of(bytes));
    EXPECT_EQ(reader.next().number, 2U) << head;
    EXPECT_EQ(reader.next().number, 7U) << head;
    EXPECT_EQ(reader.next().text, "k") << head;
    EXPECT_EQ(reader.next().type, Token::Type::other) << head;
    EXPECT_THROW(reader.next(), BadHeader) << head;
  }
}

TEST(MessagePackReader, TellsEmptyContainersAndTexts) {
  const std::string bytes = from_hex("9080a0d900c0");
  MessagePackReader reader(bytes_of(bytes));
  EXPECT_EQ(reader.next().type, Token::Type::array);
  EXPECT_EQ(reader.next().type, Token::Type::map);
  EXPECT_EQ(reader.next().type, Token::Type::text);
  EXPECT_EQ(reader.next().text, "");
  EXPECT_EQ(reader.next().type, Token::Type::other);
}

TEST(MessagePackReader, PassesOverOneValueOfAnyKind) {
  for (const char* hex : {"00",
                          "7f",
                          "e0",
                          "c0",
                          "c2",
                          "c3",
                          "c400",
                          "c40161",
                          "c5000161",
                          "c60000000161",
                          "c70005",
                          "c7010561",
                          "c800010561",
                          "c9000000010561",
                          "ca3f800000",
                          "cb3ff0000000000000",
                          "cc80",
                          "cd0100",
                          "ce00010000",
                          "cf0000000100000000",
                          "d080",
                          "d18000",
                          "d280000000",
                          "d38000000000000000",
                          "d40561",
                          "d5056161",
                          "d60561616161",
                          "d7056161616161616161",
                          "d80561616161616161616161616161616161",
                          "a0",
                          "a161",
                          "d90161",
                          "da000161",
                          "db0000000161",
                          "90",
                          "9101",
                          "dc000101",
                          "dd0000000101",
                          "80",
                          "810102",
                          "de00010102",
                          "df000000010102",
                          "9391c0818090a161"}) {
    const std::string bytes = from_hex(hex);
    EXPECT_EQ(skipped(bytes + "\x01"), bytes) << hex;
    for (size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_THROW(skipped(bytes.substr(0, size)), BadHeader) << hex << " cut to " << size;
    }
  }
}

TEST(MessagePackReader, RefusesTheMarkerThatIsNone) {
  EXPECT_THROW(skipped(from_hex("c1")), BadHeader);
  EXPECT_THROW(skipped(from_hex("92c0c1")), BadHeader);
  const std::string bytes = from_hex("c1");
  MessagePackReader reader(bytes_of(bytes));
  EXPECT_THROW(reader.next(), BadHeader);
}

TEST(MessagePackReader, FollowsNestingAsDeepAsFsplDoes) {
  for (const char* head : {"\x91", "\x81\x01", "\xdd\x00\x00\x00\x01"}) {
    const std::string piece = head[0] == '\xdd' ? std::string(head, 5) : std::string(head);
    EXPECT_NO_THROW(skipped(repeat(piece, kMaxDepth) + "\xc0"));
    EXPECT_THROW(skipped(repeat(piece, kMaxDepth + 1) + "\xc0"), BadHeader);
    EXPECT_THROW(skipped(repeat(piece, 1'000'000) + "\xc0"), BadHeader);
  }
  EXPECT_NO_THROW(skipped(repeat("\x91", kMaxDepth - 1) + "\x90"));
  EXPECT_THROW(skipped(repeat("\x91", kMaxDepth) + "\x90"), BadHeader);
  // Many, but beside each other.
  EXPECT_NO_THROW(skipped(from_hex("dc2000") + repeat("\x90", 0x2000)));
}

TEST(MessagePackReader, TakesBytesInAnyIntegerForm) {
  for (const char* hex :
       {"940061cc7fccff", "dc000400cd0061d1007fccff", "dd00000004d000ce00000061d20000007fcd00ff",
        "94d3000000000000000061cf000000000000007fd100ff"}) {
    const std::string bytes = from_hex(hex);
    MessagePackReader reader(bytes_of(bytes));
    EXPECT_EQ(reader.next_bytes("it"), std::string("\0a\x7f\xff", 4)) << hex;
  }
}

TEST(MessagePackReader, RefusesBytesOfAnyOtherShape) {
  for (const char* hex : {"a161",
                          "c40161",
                          "61",
                          "c0",
                          "80",
                          "810102",
                          "9190",
                          "9180",
                          "91a161",
                          "91c40161",
                          "91cd0100",
                          "91ff",
                          "91d0ff",
                          "91c0",
                          "91c2",
                          "91ca3f800000",
                          "91cb3ff0000000000000",
                          "91d40561",
                          "91",
                          "dd00000002ff",
                          "91c1",
                          "c1",
                          ""}) {
    const std::string bytes = from_hex(hex);
    MessagePackReader reader(bytes_of(bytes));
    EXPECT_THROW(reader.next_bytes("it"), BadHeader) << hex;
  }
}

TEST(MessagePackReader, AllocatesNothingForWhatIsOnlyClaimed) {
  // Under the address sanitizer an allocation of 4 GiB or more would end the test.
  for (const char* hex : {"ddffffffff", "dfffffffff", "dbffffffff", "c6ffffffff", "c9ffffffff05"}) {
    EXPECT_THROW(skipped(from_hex(hex)), BadHeader) << hex;
    const std::string bytes = from_hex(hex);
    MessagePackReader reader(bytes_of(bytes));
    EXPECT_THROW(reader.next_bytes("it"), BadHeader) << hex;
  }
}

TEST(MessagePackWriter, WritesTheShortestForms) {
  MessagePackWriter writer;
  for (const uint64_t value :
       {uint64_t{0}, uint64_t{127}, uint64_t{128}, uint64_t{255}, uint64_t{256}, uint64_t{65535},
        uint64_t{65536}, uint64_t{UINT32_MAX}, uint64_t{UINT32_MAX} + 1, UINT64_MAX}) {
    writer.add_unsigned(value);
  }
  EXPECT_EQ(writer.take(), from_hex("007fcc80ccffcd0100cdffffce00010000ceffffffff"
                                    "cf0000000100000000cfffffffffffffffff"));
  MessagePackWriter signed_writer;
  for (const int64_t value :
       {int64_t{-1}, int64_t{-32}, int64_t{-33}, int64_t{-128}, int64_t{-129}, int64_t{-32768},
        int64_t{-32769}, int64_t{INT32_MIN}, int64_t{INT32_MIN} - 1, INT64_MIN, int64_t{127},
        int64_t{128}, int64_t{32768}, int64_t{INT32_MAX} + 1, INT64_MAX}) {
    signed_writer.add_signed(value);
  }
  EXPECT_EQ(signed_writer.take(),
            from_hex("ffe0d0dfd080d1ff7fd18000d2ffff7fffd280000000d3ffffffff7fffffff"
                     "d380000000000000007fcc80cd8000ce80000000cf7fffffffffffffff"));
}

TEST(MessagePackWriter, WritesWideNumbersInNineBytes) {
  MessagePackWriter writer;
  writer.add_wide_unsigned(5);
  EXPECT_EQ(writer.take(), from_hex("cf0000000000000005"));
}

TEST(MessagePackWriter, WritesHeadsByTheirCount) {
  MessagePackWriter writer;
  for (const size_t count : {0U, 15U, 16U, 65535U, 65536U}) writer.add_array(count);
  for (const size_t count : {0U, 15U, 16U, 65535U, 65536U}) writer.add_map(count);
  EXPECT_EQ(writer.take(), from_hex("909fdc0010dcffffdd00010000808fde0010deffffdf00010000"));
}

TEST(MessagePackWriter, WritesTextsAndBytes) {
  MessagePackWriter writer;
  writer.add_text("ab");
  writer.add_text(std::string(32, 'x'));
  writer.add_bytes(std::string("\0\x7f\x80\xff", 4));
  EXPECT_EQ(writer.take(),
            from_hex("a26162d920") + std::string(32, 'x') + from_hex("94007fcc80ccff"));
}

}  // namespace
}  // namespace penstock::packet
