// What may be taken for the decoder's word: headers, and small jobs whole.
#include "work/header_peek.h"

#include <bzlib.h>
#include <gtest/gtest.h>
#include <lz4frame.h>
#include <lzma.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "packet/header.h"
#include "sys/files.h"

namespace penstock::work {
namespace {

using Bytes = std::vector<uint8_t>;

pipeline::DecoderPlan plan_of(std::vector<std::string> argv) {
  pipeline::DecoderPlan plan;
  plan.seen_through = true;
  plan.stages = {{.argv = std::move(argv)}};
  return plan;
}

Bytes zstd(const Bytes& plain) {
  Bytes out(ZSTD_compressBound(plain.size()));
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  const size_t size = ZSTD_compress2(context, out.data(), out.size(), plain.data(), plain.size());
  ZSTD_freeCCtx(context);
  EXPECT_EQ(ZSTD_isError(size), 0U);
  out.resize(size);
  return out;
}

Bytes gzip(const Bytes& text) {
  Bytes plain = text;  // the libraries want to be able to write to it
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  Bytes out(plain.size() + 1000);
  stream.next_in = plain.data();
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}

Bytes xz(const Bytes& plain, uint32_t dictionary) {
  lzma_options_lzma options{};
  lzma_lzma_preset(&options, 6);
  options.dict_size = dictionary;
  lzma_filter filters[] = {{LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, nullptr}};
  Bytes out(lzma_stream_buffer_bound(plain.size()));
  size_t size = 0;
  EXPECT_EQ(lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC64, nullptr, plain.data(),
                                      plain.size(), out.data(), &size, out.size()),
            LZMA_OK);
  out.resize(size);
  return out;
}

constexpr uint32_t kMostOfWindow = 8U << 20U;

Bytes bzip2(const Bytes& text) {
  Bytes plain = text;  // as above
  Bytes out(plain.size() + plain.size() / 50 + 1000);
  auto size = static_cast<unsigned>(out.size());
  EXPECT_EQ(BZ2_bzBuffToBuffCompress(reinterpret_cast<char*>(out.data()), &size,
                                     reinterpret_cast<char*>(plain.data()),
                                     static_cast<unsigned>(plain.size()), 1, 0, 0),
            BZ_OK);
  out.resize(size);
  return out;
}

Bytes lz4(const Bytes& plain) {
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
  Bytes out(LZ4F_compressFrameBound(plain.size(), &preferences));
  const size_t size =
      LZ4F_compressFrame(out.data(), out.size(), plain.data(), plain.size(), &preferences);
  EXPECT_EQ(LZ4F_isError(size), 0U);
  out.resize(size);
  return out;
}

Bytes header() {
  const std::string text = packet::encode_header({.sequence = 7});
  return {text.begin(), text.end()};
}

sys::UniqueFd memory_file(const Bytes& bytes) {
  sys::UniqueFd fd = sys::make_memfd("job");
  sys::write_all(fd.get(), bytes, "job");
  return fd;
}

// As the programs behave: see docs/decisions/0013-xz-bzip2-lz4.md.
struct Tool {
  const char* program;
  Bytes (*encode)(const Bytes&);
  // Of a small file:
  bool writes_before_end = false;
  bool writes_before_checksum = false;
  bool takes_trailing_bytes = false;
};

class Whole : public ::testing::TestWithParam<Tool> {
 protected:
  Whole() : peek_(HeaderPeek::of(plan_of({GetParam().program, "-dc"}), "/usr/bin:/bin")) {}

  static Bytes packet(const Bytes& payload) {
    Bytes bytes = header();
    bytes.insert(bytes.end(), payload.begin(), payload.end());
    return bytes;
  }
  Bytes encode(const Bytes& plain) const { return GetParam().encode(plain); }
  std::optional<HeaderPeek::Whole> read(const Bytes& file) const {
    return peek_->read_whole(memory_file(file).get());
  }
  bool has_header(const Bytes& file) const {
    const auto header = peek_->read(memory_file(file).get());
    return header && header->metadata().sequence == 7;
  }

  std::unique_ptr<HeaderPeek> peek_;
};

Bytes text(size_t size) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>("abcdefg"[i * i % 7]);
  return bytes;
}

TEST_P(Whole, GivesHeaderAndPayload) {
  ASSERT_NE(peek_, nullptr);
  for (const size_t size : {size_t{0}, size_t{1}, size_t{300}, HeaderPeek::kMostOfPayload}) {
    const auto whole = read(encode(packet(text(size))));
    ASSERT_TRUE(whole) << size;
    EXPECT_EQ(whole->header.metadata().sequence, 7U);
    EXPECT_EQ(whole->payload, text(size));
  }
  EXPECT_FALSE(read(encode(packet(text(HeaderPeek::kMostOfPayload + 1)))));
}

TEST_P(Whole, TakesSeveralMembers) {
  const Bytes plain = packet(text(300));
  Bytes file = encode(Bytes(plain.begin(), plain.begin() + 100));
  const Bytes second = encode(Bytes(plain.begin() + 100, plain.end()));
  file.insert(file.end(), second.begin(), second.end());
  const auto whole = read(file);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->payload, text(300));
}

TEST_P(Whole, GivesTheHeaderOfSmallAndLargeFiles) {
  for (const size_t size : {size_t{0}, size_t{300}, size_t{70'000}, size_t{4'000'000}})
    EXPECT_TRUE(has_header(encode(packet(text(size))))) << size;
  EXPECT_FALSE(has_header(encode(text(300))));
  EXPECT_FALSE(has_header({}));
  EXPECT_FALSE(has_header(packet(text(300))));
}

// What is damaged at its end has been written by then, but for what fits into the tool's buffer.
TEST_P(Whole, GivesTheHeaderOnlyWhereTheToolHasWrittenIt) {
  for (const size_t size : {size_t{300}, size_t{300'000}}) {
    const bool is_large = size > 300;
    Bytes file = encode(packet(text(size)));
    file[file.size() - 4] ^= 64U;
    EXPECT_EQ(has_header(file), is_large || GetParam().writes_before_checksum) << size;
    file.pop_back();
    EXPECT_EQ(has_header(file), is_large || GetParam().writes_before_end) << size;
  }
  Bytes file = encode(packet(text(300)));
  file.resize(file.size() / 2);
  EXPECT_FALSE(has_header(file));
  file = encode(packet(text(300)));
  file.push_back('x');
  EXPECT_EQ(has_header(file), GetParam().takes_trailing_bytes);
}

TEST_P(Whole, GivesNothingOfWhatIsCut) {
  const Bytes file = encode(packet(text(300)));
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_FALSE(read(Bytes(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size))))
        << size;
  }
}

TEST_P(Whole, GivesNothingElseWhereABitIsWrong) {
  const Bytes file = encode(packet(text(300)));
  for (size_t bit = 0; bit < file.size() * 8; ++bit) {
    Bytes damaged = file;
    damaged[bit / 8] = static_cast<uint8_t>(damaged[bit / 8] ^ 1U << bit % 8);
    const auto whole = read(damaged);
    // Some bits mean nothing: gzip's time, for instance.
    if (whole) {
      EXPECT_EQ(whole->payload, text(300)) << bit;
    }
  }
}

TEST_P(Whole, GivesNothingWhereSomethingIsBehind) {
  for (const uint8_t byte : {uint8_t{0}, uint8_t{1}, uint8_t{255}}) {
    Bytes file = encode(packet(text(300)));
    file.push_back(byte);
    EXPECT_FALSE(read(file)) << int{byte};
  }
}

INSTANTIATE_TEST_SUITE_P(
    Formats, Whole,
    ::testing::Values(Tool{.program = "zstd",
                           .encode = zstd,
                           .writes_before_end = true,
                           .takes_trailing_bytes = true},
                      Tool{.program = "gzip", .encode = gzip},
                      Tool{.program = "xz",
                           .encode = [](const Bytes& plain) { return xz(plain, kMostOfWindow); }},
                      Tool{.program = "bzip2", .encode = bzip2, .takes_trailing_bytes = true},
                      Tool{.program = "lz4",
                           .encode = lz4,
                           .writes_before_end = true,
                           .writes_before_checksum = true,
                           .takes_trailing_bytes = true}),
    [](const auto& tool) { return std::string(tool.param.program); });

bool knows(std::vector<std::string> argv) {
  return HeaderPeek::of(plan_of(std::move(argv)), "/usr/bin:/bin") != nullptr;
}

TEST(HeaderPeek, LeavesLargeDictionariesToTheTool) {
  const auto peek = HeaderPeek::of(plan_of({"xzcat"}), "/usr/bin:/bin");
  for (const bool is_large : {false, true}) {
    const auto fd = memory_file(xz(header(), kMostOfWindow + (is_large ? kMostOfWindow / 2 : 0)));
    EXPECT_NE(peek->read(fd.get()).has_value(), is_large);
    EXPECT_NE(peek->read_whole(fd.get()).has_value(), is_large);
  }
}

TEST(HeaderPeek, KnowsThePaddingOfXz) {
  const auto peek = HeaderPeek::of(plan_of({"unxz", "-c"}), "/usr/bin:/bin");
  for (const size_t padding : {3U, 4U, 5U, 8U}) {
    Bytes file = xz(header(), kMostOfWindow);
    file.resize(file.size() + padding);
    EXPECT_EQ(peek->read_whole(memory_file(file).get()).has_value(), padding % 4 == 0) << padding;
  }
}

TEST(HeaderPeek, LeavesFramesOfLz4ThatAreNoneToTheTool) {
  const auto peek = HeaderPeek::of(plan_of({"lz4cat"}), "/usr/bin:/bin");
  Bytes file = {0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 'x'};  // to be skipped
  const Bytes frame = lz4(header());
  file.insert(file.end(), frame.begin(), frame.end());
  EXPECT_FALSE(peek->read(memory_file(file).get()));
  EXPECT_FALSE(peek->read_whole(memory_file(file).get()));
}

TEST(HeaderPeek, KnowsTheUsualSpellings) {
  for (const char* tool : {"zstd", "gzip", "xz", "bzip2", "lz4"}) {
    EXPECT_TRUE(knows({tool, "-dcqf"})) << tool;
    EXPECT_TRUE(knows({tool, "--decompress", "--stdout", "--quiet", "--force"})) << tool;
    EXPECT_FALSE(knows({tool})) << tool;
    EXPECT_FALSE(knows({tool, "-dc", "file"})) << tool;
    EXPECT_FALSE(knows({tool, "-dct"})) << tool;
  }
  for (const char* tool : {"zstdcat", "unzstd", "zcat", "gunzip", "xzcat", "unxz", "bzcat",
                           "bunzip2", "lz4cat", "unlz4", "/usr/bin/xzcat"})
    EXPECT_TRUE(knows({tool})) << tool;
  EXPECT_TRUE(knows({"xz", "-T0", "-d"}));
  EXPECT_FALSE(knows({"xz", "-T0"}));
  EXPECT_FALSE(knows({"lz4", "-T0", "-d"}));       // it fails
  EXPECT_FALSE(knows({"bzip2", "--uncompress"}));  // likewise
  EXPECT_TRUE(knows({"xz", "--uncompress"}));
}

TEST(HeaderPeek, IsNotForWhatIsNotThere) {
  EXPECT_EQ(HeaderPeek::of(plan_of({"xz", "-dc"}), "/nowhere"), nullptr);
}

TEST(HeaderPeek, LeavesMoreOptionsFromTheEnvironmentToTheTool) {
  const auto knows_with = [](const char* variable, const char* value, const char* program) {
    ::setenv(variable, value, 1);
    const bool known = knows({program, "-dc"});
    ::unsetenv(variable);
    return known;
  };
  EXPECT_FALSE(knows_with("XZ_OPT", "-t", "xz"));
  EXPECT_FALSE(knows_with("XZ_DEFAULTS", "-M1", "xzcat"));
  EXPECT_FALSE(knows_with("BZIP2", "-z", "bzcat"));
  EXPECT_FALSE(knows_with("BZIP", "-z", "bunzip2"));
  EXPECT_FALSE(knows_with("GZIP", "-9", "zcat"));
  EXPECT_TRUE(knows_with("XZ_OPT", "", "xz"));
  EXPECT_TRUE(knows_with("XZ_OPT", "-T0", "gzip"));
  EXPECT_TRUE(knows_with("ZSTD_CLEVEL", "19", "zstd"));
}

TEST(WholeJobs, AreLeftToAProgramThatIsNotTheUsualOne) {
  const sys::UniqueFd fd = sys::make_memfd("job");
  sys::write_all(fd.get(), zstd(header()), "job");
  const auto whole_by = [&](const char* program, const char* path) {
    const auto peek = HeaderPeek::of(plan_of({program, "-dc"}), path);
    return peek && peek->read_whole(fd.get()).has_value();
  };
  EXPECT_TRUE(whole_by("zstd", "/nowhere:/usr/bin"));
  EXPECT_TRUE(whole_by("/usr/bin/zstd", ""));
  EXPECT_FALSE(whole_by("zstd", "/nowhere"));
  const std::string folder = ::testing::TempDir() + "/peek";
  static_cast<void>(::mkdir(folder.c_str(), 0700));
  std::ofstream(folder + "/zstd") << "#!/bin/sh\n";
  ASSERT_EQ(::chmod((folder + "/zstd").c_str(), 0700), 0);
  EXPECT_FALSE(whole_by("zstd", (folder + ":/usr/bin").c_str()));
  ::unlink((folder + "/zstd").c_str());
  ::rmdir(folder.c_str());
}

}  // namespace
}  // namespace penstock::work
