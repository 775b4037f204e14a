// Small jobs whole: what may be handed to a command without a decoder's word.
#include "work/header_peek.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

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

Bytes gzip(Bytes plain) {
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

Bytes header() {
  const std::string text = packet::encode_header({.sequence = 7});
  return {text.begin(), text.end()};
}

struct Format {
  const char* program;
  Bytes (*encode)(Bytes);
};

class Whole : public ::testing::TestWithParam<Format> {
 protected:
  Whole() : peek_(HeaderPeek::of(plan_of({GetParam().program, "-dc"}), "/usr/bin:/bin")) {}

  static Bytes packet(const Bytes& payload) {
    Bytes bytes = header();
    bytes.insert(bytes.end(), payload.begin(), payload.end());
    return bytes;
  }
  Bytes encode(const Bytes& plain) const { return GetParam().encode(plain); }
  std::optional<HeaderPeek::Whole> read(const Bytes& file) const {
    const sys::UniqueFd fd = sys::make_memfd("job");
    sys::write_all(fd.get(), file, "job");
    return peek_->read_whole(fd.get());
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

INSTANTIATE_TEST_SUITE_P(Formats, Whole,
                         ::testing::Values(Format{"zstd", [](Bytes plain) { return zstd(plain); }},
                                           Format{"gzip", gzip}),
                         [](const auto& format) { return std::string(format.param.program); });

TEST(WholeJobs, AreLeftToAProgramThatIsNotTheUsualOne) {
  const sys::UniqueFd fd = sys::make_memfd("job");
  sys::write_all(fd.get(), zstd(header()), "job");
  const auto whole_by = [&](const char* program, const char* path) {
    return HeaderPeek::of(plan_of({program, "-dc"}), path)->read_whole(fd.get()).has_value();
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
