#include "work/format_decoder.h"

#include <bzlib.h>
#include <lz4frame.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <vector>

namespace penstock::work {

namespace {

using Bytes = std::span<const uint8_t>;

// More than this is left to the decoder: a window counts as our memory.
constexpr int kMaxWindowLog = 23;
// As gzip(1) has it: this much is decoded before any of it is written.
constexpr size_t kGzipWindow = 32768;
constexpr size_t kGzipInput = 64UL << 10U;
// xz(1) and bzip2(1) write these when they are full.
constexpr size_t kXzBuffer = 8192;
constexpr size_t kBzip2Buffer = 5000;
// Enough for a dictionary of 8 MiB, and not for one of 12, which is the next size.
constexpr uint64_t kXzMemory = 10UL << 20U;
// lz4(1) reads and writes at most so much at once.
constexpr size_t kLz4Buffer = 64UL << 10U;

// zstd(1) writes what each call of the library has given. A frame that is all here is checked to
// its end by the first call.
class ZstdDecoder : public FormatDecoder {
 public:
  ZstdDecoder() : output_(ZSTD_DStreamOutSize()) { begin_anew(); }

  std::optional<Bytes> decode(Bytes first, bool /*is_whole*/) override {
    if (!context_) return std::nullopt;
    ZSTD_DCtx_reset(context_.get(), ZSTD_reset_session_only);
    ZSTD_inBuffer in{.src = first.data(), .size = first.size(), .pos = 0};
    ZSTD_outBuffer out{.dst = output_.data(), .size = output_.size(), .pos = 0};
    while (out.pos == 0 && in.pos < in.size) {
      if (ZSTD_isError(ZSTD_decompressStream(context_.get(), &out, &in)) != 0) return std::nullopt;
    }
    return std::span(output_).first(out.pos);
  }

  std::optional<size_t> decode_all(Bytes file, std::span<uint8_t> output) override {
    if (!context_) return std::nullopt;
    ZSTD_DCtx_reset(context_.get(), ZSTD_reset_session_only);
    ZSTD_inBuffer in{.src = file.data(), .size = file.size(), .pos = 0};
    ZSTD_outBuffer out{.dst = output.data(), .size = output.size(), .pos = 0};
    size_t missing = 1;  // 0 behind the last byte of each frame, when all of it has been written
    while (in.pos < in.size) {
      const size_t before = in.pos;
      missing = ZSTD_decompressStream(context_.get(), &out, &in);
      if (ZSTD_isError(missing) != 0) return std::nullopt;
      if (out.pos == out.size || in.pos == before) {
        begin_anew();  // whoever decodes a large one needs a window of its own
        return std::nullopt;
      }
    }
    return missing == 0 ? std::optional(out.pos) : std::nullopt;
  }

 private:
  struct Free {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };

  void begin_anew() {
    context_.reset(ZSTD_createDCtx());
    if (context_) ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kMaxWindowLog);
  }

  std::unique_ptr<ZSTD_DCtx, Free> context_;
  std::vector<uint8_t> output_;
};

// gzip(1) writes a window when it is full, and the last one before it looks at the checksum. What
// is cut or damaged within the first one is left to it.
class GzipDecoder : public FormatDecoder {
 public:
  GzipDecoder() : is_ready_(inflateInit2(&stream_, MAX_WBITS + 16) == Z_OK) {}
  ~GzipDecoder() override {
    if (is_ready_) inflateEnd(&stream_);
  }
  GzipDecoder(const GzipDecoder&) = delete;
  GzipDecoder& operator=(const GzipDecoder&) = delete;

  std::optional<Bytes> decode(Bytes first, bool is_whole) override {
    if (!is_ready_ || inflateReset(&stream_) != Z_OK) return std::nullopt;
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): zlib's type; it is not written to
    stream_.next_in = const_cast<uint8_t*>(first.data());
    stream_.avail_in = static_cast<uInt>(first.size());
    stream_.next_out = output_.data();
    stream_.avail_out = static_cast<uInt>(output_.size());
    const int status = inflate(&stream_, Z_SYNC_FLUSH);
    const bool is_full = status == Z_OK && stream_.avail_out == 0;
    const bool is_all = status == Z_STREAM_END && is_whole && stream_.avail_in == 0;
    if (!is_full && !is_all) return std::nullopt;
    return std::span(output_).first(output_.size() - stream_.avail_out);
  }

  std::optional<size_t> decode_all(Bytes file, std::span<uint8_t> output) override {
    if (!is_ready_) return std::nullopt;
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): zlib's type; it is not written to
    stream_.next_in = const_cast<uint8_t*>(file.data());
    stream_.avail_in = static_cast<uInt>(file.size());
    stream_.next_out = output.data();
    stream_.avail_out = static_cast<uInt>(output.size());
    do {  // member by member
      if (inflateReset(&stream_) != Z_OK) return std::nullopt;
      if (inflate(&stream_, Z_SYNC_FLUSH) != Z_STREAM_END) return std::nullopt;
    } while (stream_.avail_in > 0);
    return output.size() - stream_.avail_out;
  }

 private:
  z_stream stream_{};
  bool is_ready_;
  std::array<uint8_t, kGzipWindow> output_{};
};

// xz(1) writes a buffer when it is full; else at the end, or where damage shows: then as much as
// came out before, which is left to it.
class XzDecoder : public FormatDecoder {
 public:
  XzDecoder() = default;
  ~XzDecoder() override { lzma_end(&stream_); }
  XzDecoder(const XzDecoder&) = delete;
  XzDecoder& operator=(const XzDecoder&) = delete;

  std::optional<Bytes> decode(Bytes first, bool is_whole) override {
    const lzma_ret status = run(first, output_, is_whole ? LZMA_FINISH : LZMA_RUN);
    const bool is_full = status == LZMA_OK && stream_.avail_out == 0;
    if (!is_full && status != LZMA_STREAM_END) return std::nullopt;
    return Bytes(output_).first(output_.size() - stream_.avail_out);
  }

  std::optional<size_t> decode_all(Bytes file, std::span<uint8_t> output) override {
    if (run(file, output, LZMA_FINISH) != LZMA_STREAM_END) return std::nullopt;
    return output.size() - stream_.avail_out;
  }

 private:
  // A check that the library does not know is a warning to xz(1), whose exit status then is 2.
  lzma_ret run(Bytes input, std::span<uint8_t> output, lzma_action action) {
    constexpr uint32_t kFlags = LZMA_CONCATENATED | LZMA_TELL_UNSUPPORTED_CHECK;
    const lzma_ret status = lzma_stream_decoder(&stream_, kXzMemory, kFlags);
    if (status != LZMA_OK) return status;
    stream_.next_in = input.data();
    stream_.avail_in = input.size();
    stream_.next_out = output.data();
    stream_.avail_out = output.size();
    return lzma_code(&stream_, action);
  }

  lzma_stream stream_ = LZMA_STREAM_INIT;  // kept with its memory from file to file
  std::array<uint8_t, kXzBuffer> output_{};
};

// One stream of bzip2's; a file may have several.
class Bzip2Stream {
 public:
  Bzip2Stream() : is_ready_(BZ2_bzDecompressInit(&stream_, 0, 0) == BZ_OK) {}
  ~Bzip2Stream() {
    if (is_ready_) BZ2_bzDecompressEnd(&stream_);
  }
  Bzip2Stream(const Bzip2Stream&) = delete;
  Bzip2Stream& operator=(const Bzip2Stream&) = delete;

  // The library's status. What was read and what is still free is taken from both spans.
  int run(Bytes& input, std::span<uint8_t>& output) {
    if (!is_ready_) return BZ_MEM_ERROR;
    // NOLINTNEXTLINE: the library's type; it is not written to
    stream_.next_in = reinterpret_cast<char*>(const_cast<uint8_t*>(input.data()));
    stream_.avail_in = static_cast<unsigned>(input.size());
    stream_.next_out = reinterpret_cast<char*>(output.data());
    stream_.avail_out = static_cast<unsigned>(output.size());
    const int status = BZ2_bzDecompress(&stream_);
    input = input.last(stream_.avail_in);
    output = output.last(stream_.avail_out);
    return status;
  }

 private:
  bz_stream stream_{};
  bool is_ready_;
};

// bzip2(1) writes a buffer when it is full, before it has seen the block's checksum; the last one
// of a stream when all checksums are right. Bytes behind the last stream it warns of, and ends
// well: they are left to it.
class Bzip2Decoder : public FormatDecoder {
 public:
  std::optional<Bytes> decode(Bytes first, bool is_whole) override {
    // Nothing of a block can be decoded before all of it is there: one of more than 100 kB is not,
    // as a rule, and trying costs as much as the tool does.
    constexpr size_t kLevelAt = 3;
    if (!is_whole && first[kLevelAt] != '1') return std::nullopt;
    Bzip2Stream stream;
    std::span<uint8_t> rest = output_;
    const int status = stream.run(first, rest);
    const bool is_full = status == BZ_OK && rest.empty();
    if (!is_full && status != BZ_STREAM_END) return std::nullopt;
    return Bytes(output_).first(output_.size() - rest.size());
  }

  std::optional<size_t> decode_all(Bytes file, std::span<uint8_t> output) override {
    std::span<uint8_t> rest = output;
    do {
      Bzip2Stream stream;
      if (stream.run(file, rest) != BZ_STREAM_END) return std::nullopt;
    } while (!file.empty());
    return output.size() - rest.size();
  }

 private:
  std::array<uint8_t, kBzip2Buffer> output_{};
};

// lz4(1) writes what each call of the library has given, and gives it as many bytes as it asks for:
// a block that is stored in clear is written before its end and its checksum are seen.
class Lz4Decoder : public FormatDecoder {
 public:
  Lz4Decoder() : output_(kLz4Buffer) {
    LZ4F_dctx* context = nullptr;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)) == 0)
      context_.reset(context);
  }

  std::optional<Bytes> decode(Bytes first, bool is_whole) override {
    if (!begins_with_frame(first)) return std::nullopt;
    LZ4F_resetDecompressionContext(context_.get());
    size_t wanted = kMagic.size();
    while (wanted > 0 && !first.empty()) {
      wanted = std::min(wanted, kLz4Buffer);
      if (wanted > first.size() && !is_whole) return std::nullopt;
      size_t in = std::min(wanted, first.size());
      size_t out = output_.size();
      wanted = LZ4F_decompress(context_.get(), output_.data(), &out, first.data(), &in, nullptr);
      if (LZ4F_isError(wanted) != 0) return std::nullopt;
      if (out > 0) return Bytes(output_).first(out);
      first = first.subspan(in);
    }
    return std::nullopt;
  }

  std::optional<size_t> decode_all(Bytes file, std::span<uint8_t> output) override {
    std::span<uint8_t> rest = output;
    while (!file.empty()) {
      if (!begins_with_frame(file)) return std::nullopt;
      LZ4F_resetDecompressionContext(context_.get());
      size_t in = file.size();
      size_t out = rest.size();
      // 0 behind the last byte of a frame.
      if (LZ4F_decompress(context_.get(), rest.data(), &out, file.data(), &in, nullptr) != 0)
        return std::nullopt;
      file = file.subspan(in);
      rest = rest.subspan(out);
    }
    return output.size() - rest.size();
  }

 private:
  static constexpr std::array<uint8_t, 4> kMagic = {0x04, 0x22, 0x4d, 0x18};

  // Not the format of before 2013, nor a frame that is to be skipped.
  bool begins_with_frame(Bytes bytes) const {
    return context_ && bytes.size() >= kMagic.size() &&
           std::ranges::equal(bytes.first(kMagic.size()), kMagic);
  }

  struct Free {
    void operator()(LZ4F_dctx* context) const { LZ4F_freeDecompressionContext(context); }
  };
  std::unique_ptr<LZ4F_dctx, Free> context_;
  std::vector<uint8_t> output_;
};

}  // namespace

std::unique_ptr<FormatDecoder> FormatDecoder::of(Format format) {
  switch (format) {
    case Format::zstd:
      return std::make_unique<ZstdDecoder>();
    case Format::gzip:
      return std::make_unique<GzipDecoder>();
    case Format::xz:
      return std::make_unique<XzDecoder>();
    case Format::bzip2:
      return std::make_unique<Bzip2Decoder>();
    case Format::lz4:
      return std::make_unique<Lz4Decoder>();
  }
  return nullptr;
}

// As much as zstd(1) reads at once; gzip(1) less, but then it goes on until a window is full.
size_t FormatDecoder::most_at_once() {
  return std::max(ZSTD_DStreamInSize(), kGzipInput);
}

}  // namespace penstock::work
