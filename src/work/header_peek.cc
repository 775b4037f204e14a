#include "work/header_peek.h"

#include <algorithm>

#include "base/error.h"
#include "sys/files.h"

namespace penstock::work {

namespace {

// Around the payload of a small job.
constexpr size_t kMostOfHeader = 16UL << 10U;

// What is behind the header; nothing if that is not whole.
std::span<const uint8_t> feed(packet::HeaderReader& header, std::span<const uint8_t> bytes) {
  while (!header.done() && !bytes.empty()) {
    const size_t taken = std::min(header.wanted(), bytes.size());
    header.feed(bytes.first(taken));
    bytes = bytes.subspan(taken);
  }
  return bytes;
}

}  // namespace

std::unique_ptr<HeaderPeek> HeaderPeek::of(const pipeline::DecoderPlan& plan,
                                           std::string_view path) {
  const auto known = known_decoder(plan, path);
  return known ? std::unique_ptr<HeaderPeek>(new HeaderPeek(*known)) : nullptr;
}

HeaderPeek::HeaderPeek(KnownDecoder known)
    : decoder_(FormatDecoder::of(known.format)),
      is_the_usual_program_(known.is_the_usual_program) {}

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
    const bool is_whole = read_up_to(fd, FormatDecoder::most_at_once());
    const auto decoded = decoder_->decode(input_, is_whole);
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
    const auto size = decoder_->decode_all(input_, output);
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
