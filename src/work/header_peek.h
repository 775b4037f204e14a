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

namespace penstock::work {

// zstd by libzstd, gzip by zlib (docs/decisions/0010-headers-in-process.md,
// 0012-small-jobs-in-process.md).
class HeaderPeek {
 public:
  // Null if the plan is not one of `zstd -dc`, `zstdcat`, `unzstd`, `gzip -dc`, `gunzip`, `zcat` in
  // their usual spellings, or if it is confined to a sandbox: there is none around us.
  // `path`: PATH, by which the program is found.
  static std::unique_ptr<HeaderPeek> of(const pipeline::DecoderPlan& plan, std::string_view path);

  HeaderPeek(const HeaderPeek&) = delete;
  HeaderPeek& operator=(const HeaderPeek&) = delete;
  virtual ~HeaderPeek() = default;

  // The header that the decoder would give for this file. Nothing wherever it might give none, or
  // another one: damage, another format, a window of more than 8 MiB, a header that is larger than
  // what is decoded at once. Then the decoder has to be asked. The position of `fd` stays.
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

 protected:
  HeaderPeek() = default;

  // What the decoder has written out when it does so for the first time; nothing if it may fail
  // before. `first` is the file's beginning, or the whole of it if it `is_whole`.
  virtual std::optional<std::span<const uint8_t>> decode(std::span<const uint8_t> first,
                                                         bool is_whole) = 0;
  // How much of `output` a whole file fills; nothing if it does not fit, or is not good to its end.
  virtual std::optional<size_t> decode_all(std::span<const uint8_t> file,
                                           std::span<uint8_t> output) = 0;

 private:
  // Reads the file from its beginning until `most` or its end; whether that was its end.
  bool read_up_to(int fd, size_t most);

  std::vector<uint8_t> input_;
  bool is_the_usual_program_ = false;
};

}  // namespace penstock::work
