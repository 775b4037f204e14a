// The header of an encoded job file without a decoder process, where the decoder string is a single
// command whose format we know: a scan of ten thousand files then takes a second instead of half a
// minute. And small jobs whole, which then cost what plain ones cost.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "packet/header.h"
#include "pipeline/decoder_string.h"
#include "work/format_decoder.h"
#include "work/known_decoder.h"

namespace penstock::work {

// By the formats' own libraries (docs/decisions/0010-headers-in-process.md,
// 0012-small-jobs-in-process.md, 0013-xz-bzip2-lz4.md).
class HeaderPeek {
 public:
  // Null if known_decoder() does not know the plan. `path`: PATH, by which the program is found.
  static std::unique_ptr<HeaderPeek> of(const pipeline::DecoderPlan& plan, std::string_view path);

  // The header that the decoder would give for this file. Nothing wherever it might give none, or
  // another one: damage, another format, a window or dictionary of more than 8 MiB, a header that
  // is larger than what is decoded at once. Then the decoder has to be asked. The position of `fd`
  // stays.
  std::optional<packet::HeaderReader> read(int fd);

  // All that the decoder would give for a file.
  struct Whole {
    packet::HeaderReader header;
    std::vector<uint8_t> payload;
  };
  // File and payload are at most this large, in bytes.
  static constexpr size_t kMostOfFile = 64UL << 10U;
  static constexpr size_t kMostOfPayload = 64UL << 10U;
  // A job that is small and good to its last byte. Nothing wherever read() might give nothing,
  // where anything is cut, damaged or left over, or where the program is not the one of /usr/bin:
  // then it has to be asked. The position of `fd` stays.
  std::optional<Whole> read_whole(int fd);

 private:
  explicit HeaderPeek(KnownDecoder known);

  // Reads the file from its beginning until `most` or its end; whether that was its end.
  bool read_up_to(int fd, size_t most);

  std::unique_ptr<FormatDecoder> decoder_;
  bool is_the_usual_program_ = false;
  std::vector<uint8_t> input_;
};

}  // namespace penstock::work
