#include "work/stream_decoder.h"

#include <lz4frame.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"

namespace penstock::work {

namespace {

using Bytes = std::span<const uint8_t>;
using pipeline::BadStream;

constexpr const char* kCut = "it ends too early";
// As in format_decoder.cc: where more is needed from the beginning, the tool has to be asked.
constexpr int kMostFirstWindowLog = 23;
// What zstd(1) allows without --long or --memory.
constexpr int kMostWindowLog = 27;
constexpr size_t kWindow = 32768;  // gzip's
constexpr size_t kReadAtOnce = 64UL << 10U;

class ZstdStream : public pipeline::StreamFilter {
 public:
  ZstdStream() { ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kMostFirstWindowLog); }

  size_t unit() const override { return ZSTD_DStreamInSize(); }

  Step step(Bytes input, std::span<uint8_t> output) override {
    ZSTD_inBuffer in{.src = input.data(), .size = input.size(), .pos = 0};
    ZSTD_outBuffer out{.dst = output.data(), .size = output.size(), .pos = 0};
    while (out.pos < out.size && (in.pos < in.size || has_more_)) {
      missing_ = ZSTD_decompressStream(context_.get(), &out, &in);
      if (ZSTD_isError(missing_) != 0) throw BadStream(ZSTD_getErrorName(missing_));
      has_more_ = out.pos == out.size && missing_ != 0;
      if (missing_ == 0)
        ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kMostWindowLog);
    }
    return {.taken = in.pos, .given = out.pos};
  }

  void end() override {
    if (missing_ != 0) throw BadStream(kCut);
  }

 private:
  struct Free {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };
  std::unique_ptr<ZSTD_DCtx, Free> context_{ZSTD_createDCtx()};
  size_t missing_ = 1;     // 0 behind the last byte of a frame, when all of it was given
  bool has_more_ = false;  // in the context, for want of room
};

// gzip(1) writes a window when it is full, or its member at its end: until then damage may keep
// all of it back.
class GzipStream : public pipeline::StreamFilter {
 public:
  GzipStream() : is_ready_(inflateInit2(&stream_, MAX_WBITS + 16) == Z_OK) {}
  ~GzipStream() override {
    if (is_ready_) inflateEnd(&stream_);
  }
  GzipStream(const GzipStream&) = delete;
  GzipStream& operator=(const GzipStream&) = delete;

  size_t unit() const override { return kReadAtOnce; }

  Step step(Bytes input, std::span<uint8_t> output) override {
    const Bytes all = input;
    std::span<uint8_t> room = output;
    for (;;) {
      const size_t count = std::min(decoded_.size(), room.size());
      std::ranges::copy(decoded_.first(count), room.begin());
      decoded_ = decoded_.subspan(count);
      room = room.subspan(count);
      if (room.empty() || input.empty()) break;
      if (where_ == Where::member) {
        inflate_some(input);
      } else {
        look_behind_member(input);
      }
    }
    return {.taken = all.size() - input.size(), .given = output.size() - room.size()};
  }

  void end() override {
    if (where_ == Where::member) throw BadStream(kCut);
  }

 private:
  enum class Where { member, behind, padding };

  void inflate_some(Bytes& input) {
    if (!is_ready_) throw BadStream("no memory for it");
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): zlib's type; it is not written to
    stream_.next_in = const_cast<uint8_t*>(input.data());
    stream_.avail_in = static_cast<uInt>(input.size());
    stream_.next_out = &window_.at(filled_);
    stream_.avail_out = static_cast<uInt>(window_.size() - filled_);
    const int status = inflate(&stream_, Z_NO_FLUSH);
    if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
      throw BadStream(stream_.msg != nullptr ? stream_.msg : "it cannot be decoded");
    input = input.last(stream_.avail_in);
    filled_ = window_.size() - stream_.avail_out;
    if (status == Z_STREAM_END) where_ = Where::behind;
    if (status == Z_STREAM_END || filled_ == window_.size())
      decoded_ = Bytes(window_).first(std::exchange(filled_, 0));
  }

  // Another member, zeros up to the end, or something that gzip(1) warns of.
  void look_behind_member(Bytes& input) {
    if (where_ == Where::behind && input.front() == kMagic) {
      inflateReset(&stream_);
      where_ = Where::member;
      return;
    }
    if (std::ranges::any_of(input, [](uint8_t byte) { return byte != 0; }))
      throw BadStream("something follows it that is not gzip");
    where_ = Where::padding;
    input = {};
  }

  static constexpr uint8_t kMagic = 0x1f;

  z_stream stream_{};
  bool is_ready_;
  Where where_ = Where::member;
  std::array<uint8_t, kWindow> window_{};
  size_t filled_ = 0;
  Bytes decoded_;  // of the window, not given yet
};

class Lz4Stream : public pipeline::StreamFilter {
 public:
  Lz4Stream() {
    LZ4F_dctx* context = nullptr;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)) == 0)
      context_.reset(context);
  }

  size_t unit() const override { return kReadAtOnce; }

  Step step(Bytes input, std::span<uint8_t> output) override {
    if (!context_) throw BadStream("no memory for it");
    Step step;
    while (step.given < output.size() && (step.taken < input.size() || has_more_)) {
      size_t in = input.size() - step.taken;
      size_t out = output.size() - step.given;
      missing_ = LZ4F_decompress(context_.get(), output.data() + step.given, &out,
                                 input.data() + step.taken, &in, nullptr);
      if (LZ4F_isError(missing_) != 0) throw BadStream(LZ4F_getErrorName(missing_));
      step.taken += in;
      step.given += out;
      has_more_ = step.given == output.size() && missing_ != 0;
    }
    return step;
  }

  void end() override {
    if (missing_ != 0) throw BadStream(kCut);
  }

 private:
  struct Free {
    void operator()(LZ4F_dctx* context) const { LZ4F_freeDecompressionContext(context); }
  };
  std::unique_ptr<LZ4F_dctx, Free> context_;
  size_t missing_ = 1;     // 0 behind the last byte of a frame
  bool has_more_ = false;  // in the context, for want of room
};

}  // namespace

std::unique_ptr<pipeline::StreamFilter> stream_decoder(Format format) {
  switch (format) {
    case Format::zstd:
      return std::make_unique<ZstdStream>();
    case Format::gzip:
      return std::make_unique<GzipStream>();
    case Format::lz4:
      return std::make_unique<Lz4Stream>();
    case Format::xz:
    case Format::bzip2:
      break;
  }
  return nullptr;
}

std::optional<BuiltinLastStage> BuiltinLastStage::of(const pipeline::DecoderPlan& plan,
                                                     std::string_view path) {
  const auto known = known_last_stage(plan, path);
  if (!known || !known->is_the_usual_program || !stream_decoder(known->format)) return std::nullopt;
  BuiltinLastStage result;
  result.format_ = known->format;
  result.stages_before_ = plan.stages;
  result.name_ = printable(result.stages_before_.back().argv.front());
  result.stages_before_.pop_back();
  return result;
}

std::unique_ptr<pipeline::FilteredInput> BuiltinLastStage::filter() const {
  return std::make_unique<pipeline::FilteredInput>(stream_decoder(format_), name_);
}

}  // namespace penstock::work
