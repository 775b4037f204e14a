// What decoders of our own make of whole, cut, altered and lengthened streams, in pieces of any
// size.
#include "work/stream_decoder.h"

#include <gtest/gtest.h>
#include <lz4frame.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "sys/files.h"
#include "sys/pipe.h"

namespace penstock::work {
namespace {

using Bytes = std::vector<uint8_t>;
using pipeline::BadStream;
using pipeline::FilteredInput;

Bytes zstd(const Bytes& plain, int window_log = 0) {
  Bytes out(ZSTD_compressBound(plain.size()));
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  if (window_log > 0) {
    // As of a stream: with the content's size in it, the window would be no larger than that.
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
    ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
  }
  ZSTD_inBuffer in{.src = plain.data(), .size = plain.size(), .pos = 0};
  ZSTD_outBuffer to{.dst = out.data(), .size = out.size(), .pos = 0};
  if (window_log > 0) ZSTD_compressStream2(context, &to, &in, ZSTD_e_flush);
  EXPECT_EQ(ZSTD_compressStream2(context, &to, &in, ZSTD_e_end), 0U);
  ZSTD_freeCCtx(context);
  out.resize(to.pos);
  return out;
}

Bytes gzip(const Bytes& text) {
  Bytes plain = text;  // the library wants to be able to write to it
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

Bytes encode(Format format, const Bytes& plain) {
  return format == Format::zstd ? zstd(plain) : format == Format::gzip ? gzip(plain) : lz4(plain);
}

// Half of it can be compressed.
Bytes text_of(size_t size) {
  std::mt19937 random(7);
  Bytes text(size);
  std::ranges::generate(text, [&] { return static_cast<uint8_t>(random() % 16); });
  return text;
}

Bytes operator+(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

// Through a file, with room for `piece` bytes at a time.
Bytes decode(Format format, const Bytes& encoded, size_t piece = 100'000) {
  const sys::UniqueFd file = sys::make_memfd("encoded");
  sys::write_all(file.get(), encoded, "file");
  sys::seek(file.get(), 0, "file");
  FilteredInput input(stream_decoder(format), "tool");
  Bytes plain;
  Bytes block(piece);
  while (!input.is_at_end()) {
    const size_t count = input.read(file.get(), block, "file");
    plain.insert(plain.end(), block.begin(), block.begin() + static_cast<ptrdiff_t>(count));
  }
  return plain;
}

class StreamDecoder : public testing::TestWithParam<Format> {};
INSTANTIATE_TEST_SUITE_P(EachFormat, StreamDecoder,
                         testing::Values(Format::zstd, Format::gzip, Format::lz4));

TEST_P(StreamDecoder, GivesAllWhateverTheRoom) {
  for (const size_t size : {0U, 1U, 32'767U, 32'768U, 131'072U, 400'000U}) {
    const Bytes text = text_of(size);
    const Bytes encoded = encode(GetParam(), text);
    for (const size_t piece : {1U, 7U, 32'768U, 100'000U, 1'000'000U}) {
      if (piece == 1 && size > 40'000) continue;
      EXPECT_EQ(decode(GetParam(), encoded, piece), text) << size << " by " << piece;
    }
  }
}

TEST_P(StreamDecoder, GoesOnBehindAFrame) {
  const Bytes first = text_of(200'000);
  const Bytes second = text_of(50);
  const Bytes encoded =
      encode(GetParam(), first) + encode(GetParam(), {}) + encode(GetParam(), second);
  EXPECT_EQ(decode(GetParam(), encoded), first + second);
  EXPECT_EQ(decode(GetParam(), encoded, 100), first + second);
}

TEST_P(StreamDecoder, RefusesWhatIsCutAnywhere) {
  const Bytes encoded = encode(GetParam(), text_of(2000));
  for (size_t size = 0; size < encoded.size(); ++size) {
    const Bytes cut(encoded.begin(), encoded.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_THROW(decode(GetParam(), cut), BadStream) << size;
    if (size == 0) continue;  // behind a good one that is none
    EXPECT_THROW(decode(GetParam(), encoded + cut), BadStream) << "second, " << size;
  }
}

TEST_P(StreamDecoder, RefusesOrGivesTheSameWhereverABitIsOther) {
  const Bytes text = text_of(2000);
  const Bytes encoded = encode(GetParam(), text);
  int refused = 0;
  for (size_t at = 0; at < encoded.size(); ++at) {
    Bytes other = encoded;
    other[at] ^= 0x10U;
    try {
      EXPECT_EQ(decode(GetParam(), other), text) << at;  // gzip's name, time, system
    } catch (const BadStream&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, static_cast<int>(encoded.size()) - 10);
}

TEST_P(StreamDecoder, RefusesWhatFollowsButZerosBehindGzip) {
  const Bytes text = text_of(2000);
  const Bytes encoded = encode(GetParam(), text);
  EXPECT_THROW(decode(GetParam(), encoded + Bytes{'x'}), BadStream);
  EXPECT_THROW(decode(GetParam(), encoded + Bytes(100, 'x')), BadStream);
  EXPECT_THROW(decode(GetParam(), encoded + Bytes(100'000, 0) + Bytes{1}), BadStream);
  if (GetParam() == Format::gzip) {
    EXPECT_EQ(decode(GetParam(), encoded + Bytes(100'000, 0)), text);
  } else {
    EXPECT_THROW(decode(GetParam(), encoded + Bytes(100'000, 0)), BadStream);
  }
}

TEST_P(StreamDecoder, NamesTheToolInWhosePlaceItIs) {
  try {
    decode(GetParam(), text_of(100));
    FAIL();
  } catch (const BadStream& error) {
    EXPECT_TRUE(error.message().starts_with("tool (decoded in our own process): "));
  }
}

TEST(ZstdStream, AsksForTheToolWhereTheFirstWindowIsLarge) {
  const Bytes text = text_of(5000);
  EXPECT_EQ(decode(Format::zstd, zstd(text, 23)), text);
  EXPECT_THROW(decode(Format::zstd, zstd(text, 24)), BadStream);
  // As the tool has it, from the second frame on.
  EXPECT_EQ(decode(Format::zstd, zstd(text) + zstd(text, 27)), text + text);
  EXPECT_THROW(decode(Format::zstd, zstd(text) + zstd(text, 28)), BadStream);
}

// What damage keeps back there: a header is none for gzip(1), either.
TEST(GzipStream, GivesNothingOfAWindowThatIsNotWhole) {
  const Bytes encoded = gzip(text_of(32'000));
  const Bytes cut(encoded.begin(), encoded.end() - 100);
  const sys::UniqueFd file = sys::make_memfd("encoded");
  sys::write_all(file.get(), cut, "file");
  sys::seek(file.get(), 0, "file");
  FilteredInput input(stream_decoder(Format::gzip), "tool");
  Bytes block(100'000);
  size_t given = 0;
  EXPECT_THROW(while (!input.is_at_end()) given += input.read(file.get(), block, "file"),
               BadStream);
  EXPECT_EQ(given, 0U);
}

TEST(FilteredInput, GivesAgainWhatWasPutBack) {
  const Bytes text = text_of(1000);
  sys::Pipe pipe = sys::Pipe::make();
  sys::write_all(pipe.write.get(), zstd(text), "pipe");
  FilteredInput input(stream_decoder(Format::zstd), "tool");
  Bytes block(600);
  // Not before a unit is there, or the end.
  EXPECT_EQ(input.read(pipe.read.get(), block, "pipe"), 0U);
  EXPECT_FALSE(input.has_more());
  pipe.write.reset();
  ASSERT_EQ(input.read(pipe.read.get(), block, "pipe"), 600U);
  input.put_back(block, 100);
  EXPECT_TRUE(input.has_more());
  Bytes plain(block.begin(), block.begin() + 100);
  while (!input.is_at_end()) {
    const size_t count = input.read(pipe.read.get(), block, "pipe");
    plain.insert(plain.end(), block.begin(), block.begin() + static_cast<ptrdiff_t>(count));
  }
  EXPECT_EQ(plain, text);
  input.put_back({block.begin(), block.begin() + 3}, 0);
  EXPECT_FALSE(input.is_at_end());
  EXPECT_EQ(input.read(pipe.read.get(), block, "pipe"), 3U);
  EXPECT_TRUE(input.is_at_end());
}

TEST(BuiltinLastStage, IsTheLastOfAStringThatIsSeenThrough) {
  pipeline::DecoderPlan plan{.stages = {{.argv = {"gpg", "-d"}}, {.argv = {"zstdcat", "-T0"}}},
                             .seen_through = true};
  auto stage = BuiltinLastStage::of(plan, "/usr/bin");
  ASSERT_TRUE(stage);
  ASSERT_EQ(stage->stages_before().size(), 1U);
  EXPECT_EQ(stage->stages_before()[0].argv[0], "gpg");
  plan.seen_through = false;
  EXPECT_FALSE(BuiltinLastStage::of(plan, "/usr/bin"));
  plan = {.stages = {{.argv = {"zstdcat"}}, {.argv = {"cat"}}}, .seen_through = true};
  EXPECT_FALSE(BuiltinLastStage::of(plan, "/usr/bin"));
  plan = {.stages = {{.argv = {"xz", "-dc"}}}, .seen_through = true};
  EXPECT_FALSE(BuiltinLastStage::of(plan, "/usr/bin"));
}

}  // namespace
}  // namespace penstock::work
