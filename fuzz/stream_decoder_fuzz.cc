// Streams of each format, from anywhere, by the decoder that a payload goes through and by the one
// for small jobs whole. The first byte chooses the format and the room at a time. Whatever one
// takes for good the other does, too, and gives the same bytes of.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <span>
#include <vector>

#include "pipeline/filtered_input.h"
#include "work/format_decoder.h"
#include "work/stream_decoder.h"

namespace {

using namespace penstock::work;

constexpr size_t kMost = 1UL << 20U;

void require(bool truth) {
  if (!truth) std::abort();
}

// All that comes out, or as much as kMost and a little; nothing if it is refused.
std::optional<std::vector<uint8_t>> stream(Format format, std::span<const uint8_t> input,
                                           size_t room) {
  const auto filter = stream_decoder(format);
  std::vector<uint8_t> output;
  std::vector<uint8_t> block(room);
  try {
    while (output.size() <= kMost) {
      const auto [taken, given] = filter->step(input, block);
      require(taken <= input.size() && given <= block.size());
      input = input.subspan(taken);
      output.insert(output.end(), block.begin(), block.begin() + static_cast<ptrdiff_t>(given));
      if (given == block.size()) continue;
      require(input.empty());
      filter->end();
      break;
    }
    return output;
  } catch (const penstock::pipeline::BadStream&) {
    return std::nullopt;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;  // of nothing, no job is made
  constexpr std::array kFormats = {Format::zstd, Format::gzip, Format::lz4};
  const Format format = kFormats[data[0] % kFormats.size()];
  const std::span<const uint8_t> file(data + 1, size - 1);
  const size_t room = 1 + data[0] * 97UL;
  const auto streamed = stream(format, file, room);
  const auto again = stream(format, file, 40'000);
  require(streamed.has_value() == again.has_value());
  if (streamed && streamed->size() <= kMost) require(*streamed == *again);
  if (streamed && streamed->size() > kMost) return 0;
  std::vector<uint8_t> output(kMost + 1);
  const auto whole = FormatDecoder::of(format)->decode_all(file, output);
  if (!whole) return 0;  // padding, frames to be skipped: they are left to the tool there
  require(streamed && std::ranges::equal(*streamed, std::span(output).first(*whole)));
  return 0;
}
