// The formats that decoders of the usual kind decode, by their libraries, with each tool's habits:
// when it writes, and what it then has looked at.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "work/known_decoder.h"

namespace penstock::work {

// docs/decisions/0010-headers-in-process.md, 0012-small-jobs-in-process.md, 0013-xz-bzip2-lz4.md
class FormatDecoder {
 public:
  static std::unique_ptr<FormatDecoder> of(Format format);

  FormatDecoder(const FormatDecoder&) = delete;
  FormatDecoder& operator=(const FormatDecoder&) = delete;
  virtual ~FormatDecoder() = default;

  // As much as decode() is to be given of a file, in bytes.
  static size_t most_at_once();
  // What the tool has written out when it does so for the first time; nothing if it may fail
  // before. `first` is the file's beginning, or the whole of it if it `is_whole`. The bytes last
  // until the next call.
  virtual std::optional<std::span<const uint8_t>> decode(std::span<const uint8_t> first,
                                                         bool is_whole) = 0;
  // How much of `output` a whole file fills; nothing if it does not fit, or is not good to its end.
  virtual std::optional<size_t> decode_all(std::span<const uint8_t> file,
                                           std::span<uint8_t> output) = 0;

 protected:
  FormatDecoder() = default;
};

}  // namespace penstock::work
