#include "work/header_peek.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "base/error.h"
#include "sys/files.h"
#include "sys/program.h"

namespace penstock::work {

namespace {

using namespace std::string_view_literals;
using Words = std::span<const std::string>;

// More than this is left to the decoder: a window counts as our memory.
constexpr int kMaxWindowLog = 23;
// As gzip(1) has it: this much is decoded before any of it is written.
constexpr size_t kGzipWindow = 32768;
constexpr size_t kGzipInput = 64UL << 10U;
// Around the payload of a small job.
constexpr size_t kMostOfHeader = 16UL << 10U;

// What `argv` says besides the program, as far as it does not matter here. `decodes`: whether the
// program does so without being told.
bool decodes_to_stdout(Words options, bool decodes, std::span<const std::string_view> harmless) {
  for (const std::string& word : options) {
    if (word == "--decompress" || word == "--uncompress") {
      decodes = true;
    } else if (word.size() > 1 && word[0] == '-' && word[1] != '-' &&
               word.find_first_not_of("dcqf", 1) == std::string::npos) {
      decodes = decodes || word.find('d') != std::string::npos;
    } else if (std::ranges::find(harmless, std::string_view(word)) == harmless.end()) {
      return false;
    }
  }
  return decodes;  // and to standard output, as the input is no file by name
}

bool is_zstd(std::string_view program, Words options) {
  static constexpr std::array kHarmless = {"--stdout"sv, "--quiet"sv, "--force"sv, "-T0"sv,
                                           "-T1"sv,      "-T2"sv,     "-T4"sv,     "--threads=0"sv};
  const bool decodes = program == "zstdcat" || program == "unzstd";
  return (decodes || program == "zstd") && decodes_to_stdout(options, decodes, kHarmless);
}

bool is_gzip(std::string_view program, Words options) {
  static constexpr std::array kHarmless = {"--stdout"sv, "--to-stdout"sv, "--quiet"sv, "--force"sv};
  const bool decodes = program == "zcat" || program == "gunzip";
  return (decodes || program == "gzip") && decodes_to_stdout(options, decodes, kHarmless);
}

std::string_view without_usual_directory(std::string_view program) {
  for (const std::string_view directory : {"/usr/bin/"sv, "/bin/"sv}) {
    if (program.starts_with(directory)) program.remove_prefix(directory.size());
  }
  return program;
}

// What is behind the header; nothing if that is not whole.
std::span<const uint8_t> feed(packet::HeaderReader& header, std::span<const uint8_t> bytes) {
  while (!header.done() && !bytes.empty()) {
    const size_t taken = std::min(header.wanted(), bytes.size());
    header.feed(bytes.first(taken));
    bytes = bytes.subspan(taken);
  }
  return bytes;
}

bool only_hides_messages(const pipeline::Redirect& redirect) {
  return redirect.fd == 2 && redirect.mode != pipeline::Redirect::Mode::duplicate &&
         redirect.path == "/dev/null";
}

// zstd(1) writes what each call of the library has given. A frame that is all here is checked to
// its end by the first call.
class ZstdPeek : public HeaderPeek {
 public:
  ZstdPeek() : output_(ZSTD_DStreamOutSize()) {
    if (context_) ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kMaxWindowLog);
  }

 protected:
  std::optional<std::span<const uint8_t>> decode(std::span<const uint8_t> first,
                                                 bool /*is_whole*/) override {
    if (!context_) return std::nullopt;
    ZSTD_DCtx_reset(context_.get(), ZSTD_reset_session_only);
    ZSTD_inBuffer in{.src = first.data(), .size = first.size(), .pos = 0};
    ZSTD_outBuffer out{.dst = output_.data(), .size = output_.size(), .pos = 0};
    while (out.pos == 0 && in.pos < in.size) {
      if (ZSTD_isError(ZSTD_decompressStream(context_.get(), &out, &in)) != 0) return std::nullopt;
    }
    return std::span(output_).first(out.pos);
  }

  std::optional<size_t> decode_all(std::span<const uint8_t> file,
                                   std::span<uint8_t> output) override {
    if (!context_) return std::nullopt;
    ZSTD_DCtx_reset(context_.get(), ZSTD_reset_session_only);
    ZSTD_inBuffer in{.src = file.data(), .size = file.size(), .pos = 0};
    ZSTD_outBuffer out{.dst = output.data(), .size = output.size(), .pos = 0};
    size_t missing = 1;  // 0 behind the last byte of each frame, when all of it has been written
    while (in.pos < in.size) {
      const size_t before = in.pos;
      missing = ZSTD_decompressStream(context_.get(), &out, &in);
      if (ZSTD_isError(missing) != 0) return std::nullopt;
      if (out.pos == out.size || in.pos == before) return std::nullopt;
    }
    return missing == 0 ? std::optional(out.pos) : std::nullopt;
  }

 private:
  struct Free {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };
  std::unique_ptr<ZSTD_DCtx, Free> context_{ZSTD_createDCtx()};
  std::vector<uint8_t> output_;
};

// gzip(1) writes a window when it is full, and the last one before it looks at the checksum. What
// is cut or damaged within the first one is left to it.
class GzipPeek : public HeaderPeek {
 public:
  GzipPeek() : is_ready_(inflateInit2(&stream_, MAX_WBITS + 16) == Z_OK) {}
  ~GzipPeek() override {
    if (is_ready_) inflateEnd(&stream_);
  }
  GzipPeek(const GzipPeek&) = delete;
  GzipPeek& operator=(const GzipPeek&) = delete;

 protected:
  std::optional<std::span<const uint8_t>> decode(std::span<const uint8_t> first,
                                                 bool is_whole) override {
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

  std::optional<size_t> decode_all(std::span<const uint8_t> file,
                                   std::span<uint8_t> output) override {
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

}  // namespace

std::unique_ptr<HeaderPeek> HeaderPeek::of(const pipeline::DecoderPlan& plan,
                                           std::string_view path) {
  if (!plan.seen_through || plan.stages.size() != 1) return nullptr;
  const pipeline::StageSpec& stage = plan.stages.front();
  if (stage.opaque || stage.sandboxed || stage.argv.empty()) return nullptr;
  if (!std::ranges::all_of(stage.redirects, only_hides_messages)) return nullptr;
  const std::string_view program = without_usual_directory(stage.argv.front());
  const Words options = Words(stage.argv).subspan(1);
  std::unique_ptr<HeaderPeek> peek;
  if (is_zstd(program, options)) peek = std::make_unique<ZstdPeek>();
  if (is_gzip(program, options)) peek = std::make_unique<GzipPeek>();
  if (peek) {
    const std::string found = sys::find_program(stage.argv.front(), path).path;
    peek->is_the_usual_program_ = without_usual_directory(found) == program;
  }
  return peek;
}

bool HeaderPeek::read_up_to(int fd, size_t most) {
  input_.resize(most);
  size_t count = 0;
  bool is_whole = false;
  while (count < input_.size() && !is_whole) {
    const size_t more = sys::pread_some(fd, std::span(input_).subspan(count),
                                        static_cast<off_t>(count), "job file");
    is_whole = more == 0;
    count += more;
  }
  input_.resize(count);
  return is_whole;
}

std::optional<packet::HeaderReader> HeaderPeek::read(int fd) {
  try {
    // As much as zstd(1) reads at once; gzip(1) less, but then it goes on until a window is full.
    const bool is_whole = read_up_to(fd, std::max(ZSTD_DStreamInSize(), kGzipInput));
    const auto decoded = decode(input_, is_whole);
    if (!decoded) return std::nullopt;
    packet::HeaderReader header;
    static_cast<void>(feed(header, *decoded));
    return header.done() ? std::optional(std::move(header)) : std::nullopt;
  } catch (const Error&) {
    return std::nullopt;  // the decoder's own words will say more
  }
}

std::optional<HeaderPeek::Whole> HeaderPeek::read_whole(int fd) {
  if (!is_the_usual_program_) return std::nullopt;
  try {
    if (!read_up_to(fd, kMostOfFile + 1)) return std::nullopt;
    std::vector<uint8_t> output(kMostOfHeader + kMostOfPayload);
    const auto size = decode_all(input_, output);
    if (!size) return std::nullopt;
    Whole whole;
    const auto payload = feed(whole.header, std::span<const uint8_t>(output).first(*size));
    if (!whole.header.done() || payload.size() > kMostOfPayload) return std::nullopt;
    whole.payload.assign(payload.begin(), payload.end());
    return whole;
  } catch (const Error&) {
    return std::nullopt;  // as above
  }
}

}  // namespace penstock::work
