#include "packet/header.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "packet/testing.h"

namespace penstock::packet {
namespace {

// Feeds a file as a careful caller does: reads at most what is wanted, and `piece` bytes at a time.
// Returns the reader when it is done; throws what it throws, also at the end of the file.
HeaderReader read_in_pieces(std::string_view file, size_t piece) {
  HeaderReader reader;
  size_t at = 0;
  while (!reader.done()) {
    if (at == file.size()) reader.end_of_input();
    const std::string_view next = file.substr(at, std::min(piece, reader.wanted()));
    reader.feed(bytes_of(next));
    at += next.size();
  }
  EXPECT_EQ(reader.header_bytes(), at) << "read past the header";
  return reader;
}

std::string why_refused(std::string_view file) {
  try {
    read_in_pieces(file, SIZE_MAX);
  } catch (const BadHeader& e) {
    return e.message();
  }
  return "accepted";
}

std::string as_string(const std::vector<std::string>& params) {
  std::string out;
  for (const std::string& param : params) out += param + "|";
  return out;
}

TEST(RecordedPackets, ReadAsDocumented) {
  struct Case {
    const char* file;
    uint64_t sequence;
    Timestamp created;
    Kind kind;
    const char* params;
  };
  for (const Case& each : {
           Case{"01-nop.hex", 1, {1795346688, 184694426}, Kind::nop, ""},
           Case{"02-fail.hex", 127, {1795346688, 199838956}, Kind::fail, ""},
           Case{"03-command-empty.hex", 128, {1795346688, 204172032}, Kind::command, ""},
           Case{"04-command-full.hex",
                70000,
                {1795346688, 215419490},
                Kind::command,
                "p1|two words||"},
           Case{"05-high-bytes.hex",
                4294967296,
                {1795346688, 230675678},
                Kind::command,
                "\xc3\xa9|\x7f|"},
           Case{"06-array16.hex",
                300,
                {1795346688, 239677865},
                Kind::command,
                "1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|sixteen-chars-ok|"},
           Case{"07-seq-max.hex", UINT64_MAX, {1795346688, 246366188}, Kind::command, ""},
           Case{"08-negative-ctime.hex", 5, {-86401, 7}, Kind::nop, ""},
           Case{"09-lenient.hex", 9, {1700000000, 7}, Kind::nop, ""},
       }) {
    const std::string file = read_vector(each.file);
    for (const size_t piece : {size_t{1}, size_t{7}, size_t{30}, SIZE_MAX}) {
      const HeaderReader reader = read_in_pieces(file, piece);
      const Metadata& metadata = reader.metadata();
      EXPECT_EQ(metadata.sequence, each.sequence) << each.file;
      EXPECT_EQ(metadata.created, each.created) << each.file;
      EXPECT_EQ(metadata.kind, each.kind) << each.file;
      EXPECT_EQ(as_string(metadata.params), each.params) << each.file;
    }
  }
}

TEST(RecordedPackets, CarryTheirVariablesUnknownKeysAndPayloads) {
  const std::string full = read_vector("04-command-full.hex");
  const HeaderReader reader = read_in_pieces(full, SIZE_MAX);
  EXPECT_EQ(reader.metadata().env, (std::vector<Variable>{{"FOO", "bar"}, {"A", "x=y z"}}));
  EXPECT_EQ(full.substr(reader.header_bytes()), "hello\n");
  const std::string lenient = read_vector("09-lenient.hex");
  const HeaderReader other = read_in_pieces(lenient, SIZE_MAX);
  EXPECT_EQ(other.metadata().unknown,
            (std::vector<UnknownKey>{{"future", from_hex("9201a178")}, {"zz", "\xc0"}}));
  EXPECT_EQ(lenient.substr(other.header_bytes()), "PAY");
}

TEST(RecordedPackets, AreWrittenAgainByteForByte) {
  for (const char* name :
       {"01-nop.hex", "02-fail.hex", "03-command-empty.hex", "04-command-full.hex",
        "05-high-bytes.hex", "06-array16.hex", "07-seq-max.hex"}) {
    const std::string file = read_vector(name);
    const HeaderReader reader = read_in_pieces(file, SIZE_MAX);
    EXPECT_EQ(encode_header(reader.metadata()), file.substr(0, reader.header_bytes())) << name;
  }
}

TEST(RecordedPackets, AreRefusedForTheRightReason) {
  EXPECT_EQ(why_refused(read_vector("10-bad-header-crc.hex")),
            "is damaged: the checksum of its metadata differs");
  EXPECT_EQ(why_refused(read_vector("11-bad-prefix-crc.hex")),
            "is damaged: the checksum of its prefix differs");
  EXPECT_EQ(why_refused(read_vector("12-version-2.hex")), "has format version 2, and we know 1");
  EXPECT_EQ(why_refused(read_vector("13-truncated.hex")), "ends inside the header after 40 bytes");
}

TEST(HeaderReader, ChecksInTheOrderOfTheFormat) {
  std::string file = read_vector("12-version-2.hex");
  file[26] = static_cast<char>(file[26] ^ 1);
  EXPECT_EQ(why_refused(file), "has format version 2, and we know 1") << "version before checksum";
  file[0] = 'x';
  EXPECT_EQ(why_refused(file), "is not a job file: the magic is missing") << "magic before version";
  std::string long_one = read_vector("01-nop.hex");
  long_one[14] = '\x7f';
  EXPECT_EQ(why_refused(long_one), "is damaged: the checksum of its prefix differs")
      << "checksum before length";
}

TEST(HeaderReader, RefusesEveryTruncation) {
  const std::string file = read_vector("04-command-full.hex");
  const size_t header = 30 + 91;
  EXPECT_EQ(why_refused(""), "is empty");
  for (size_t size = 1; size < header; ++size) {
    EXPECT_EQ(why_refused(file.substr(0, size)),
              "ends inside the header after " + std::to_string(size) + " bytes");
  }
  EXPECT_EQ(why_refused(file.substr(0, header)), "accepted");
}

TEST(HeaderReader, TellsShortFilesThatAreNoJobFiles) {
  for (const char* text : {"x", "*f", "*FILESPOOLEX", "junk\n", "*FILESPOOLEr and twenty bytes"}) {
    EXPECT_EQ(why_refused(text), "is not a job file: the magic is missing") << text;
  }
  EXPECT_EQ(why_refused(std::string(400, '\0')), "is not a job file: the magic is missing");
}

TEST(HeaderReader, KnowsWhatIsStillEncoded) {
  using namespace std::string_literals;
  const std::string rest(40, 'x');
  const std::pair<std::string, const char*> kBeginnings[] = {
      {"\x28\xb5\x2f\xfd", "zstd"},
      {"\x1f\x8b\x08", "gzip"},
      {"\xfd\x37zXZ\0"s, "xz"},
      {"BZh9", "bzip2"},
      {"-----BEGIN PGP MESSAGE-----\n", "OpenPGP"},
      {"\x85\x01\x0c\x03", "OpenPGP"},
      {"\x8c\x0d\x04\x09", "OpenPGP"},
      {"\xc1\xc0\x4c\x03", "OpenPGP"},
      {"\xa3\x01", "OpenPGP"}};
  for (const auto& [beginning, name] : kBeginnings) {
    const std::string expected = "is not a job file, but looks like "s + name + " data";
    EXPECT_EQ(why_refused(beginning + rest), expected);
    EXPECT_EQ(why_refused(beginning), expected) << "a short one";
  }
  for (const std::string& beginning : {"\x7f"s, "\x80"s, "\xfe\xff"s, "\xff"s, "\x1f\x9d"s}) {
    EXPECT_EQ(why_refused(beginning + rest), "is not a job file: the magic is missing");
  }
}

TEST(HeaderReader, RefusesEveryFlippedBit) {
  const std::string file = read_vector("04-command-full.hex");
  for (size_t bit = 0; bit < (30 + 91) * 8; ++bit) {
    std::string flipped = file;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_NE(why_refused(flipped), "accepted") << bit;
  }
}

TEST(HeaderReader, WantsNoByteOfThePayloadAndNoMoreThan64KiB) {
  HeaderReader reader;
  EXPECT_EQ(reader.wanted(), 30U);
  const std::string small = read_vector("01-nop.hex");
  reader.feed(bytes_of(small.substr(0, 10)));
  EXPECT_EQ(reader.wanted(), 20U);
  reader.feed(bytes_of(small.substr(10, 20)));
  EXPECT_EQ(reader.wanted(), 36U);
  reader.feed({});
  EXPECT_EQ(reader.wanted(), 36U);
  reader.feed(bytes_of(small.substr(30)));
  EXPECT_TRUE(reader.done());
  EXPECT_EQ(reader.wanted(), 0U);

  Metadata metadata{.sequence = 1};
  metadata.params.emplace_back(100'000, 'x');
  const std::string large = encode_header(metadata);
  HeaderReader other;
  other.feed(bytes_of(large.substr(0, 30)));
  EXPECT_EQ(other.wanted(), 65536U);
  EXPECT_EQ(read_in_pieces(large + "payload", SIZE_MAX).metadata(), metadata);
}

TEST(HeaderReader, BelievesLengthsUpTo16MiB) {
  const std::string block = encode_metadata({.kind = Kind::nop});
  const std::string most = block + std::string(kMaxMetadataBytes - block.size(), 'x');
  EXPECT_EQ(why_refused(encode_prefix(most) + most), "accepted");
  const std::string more = most + "x";
  EXPECT_EQ(why_refused(encode_prefix(more) + more),
            "claims 16777217 bytes of metadata, more than 16777216");
}

TEST(HeaderReader, RefusesAnEmptyBlock) {
  EXPECT_EQ(why_refused(encode_prefix("") + "payload"), "the metadata is cut short");
}

TEST(EncodeHeader, RefusesWhatNoReaderWouldTake) {
  Metadata metadata{.sequence = 1};
  metadata.params.emplace_back(kMaxMetadataBytes, 'x');
  EXPECT_THROW(encode_header(metadata), Error);
  EXPECT_THROW(encode_header_fixed_width(metadata), Error);
}

TEST(EncodeHeaderFixedWidth, HasOneLengthForAllNumbers) {
  Metadata metadata{.created = {1795346688, 5}, .params = {"p"}, .env = {{"A", "b"}}};
  const std::string shortest = encode_header(metadata);
  for (const uint64_t sequence :
       {uint64_t{0}, uint64_t{127}, uint64_t{128}, uint64_t{70000}, UINT64_MAX}) {
    metadata.sequence = sequence;
    const std::string header = encode_header_fixed_width(metadata);
    EXPECT_EQ(header.size(), shortest.size() + 8) << sequence;
    EXPECT_EQ(read_in_pieces(header, SIZE_MAX).metadata(), metadata) << sequence;
  }
}

}  // namespace
}  // namespace penstock::packet
