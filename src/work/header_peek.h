// The header of an encoded job file without a decoder process, where the decoder string is a single
// command whose format we know: a scan of ten thousand files then takes a second instead of half a
// minute.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "packet/header.h"
#include "pipeline/decoder_string.h"

namespace penstock::work {

// zstd by libzstd, gzip by zlib (docs/decisions/0010-headers-in-process.md). Only used for what is
// read before a job's turn; at its turn the decoder itself runs.
class HeaderPeek {
 public:
  // Null if the plan is not one of `zstd -dc`, `zstdcat`, `unzstd`, `gzip -dc`, `gunzip`, `zcat` in
  // their usual spellings, or if it is confined to a sandbox: there is none around us.
  static std::unique_ptr<HeaderPeek> of(const pipeline::DecoderPlan& plan);

  HeaderPeek(const HeaderPeek&) = delete;
  HeaderPeek& operator=(const HeaderPeek&) = delete;
  virtual ~HeaderPeek() = default;

  // The header that the decoder would give for this file. Nothing wherever it might give none, or
  // another one: damage, another format, a window of more than 8 MiB, a header that is larger than
  // what is decoded at once. Then the decoder has to be asked. The position of `fd` stays.
  std::optional<packet::HeaderReader> read(int fd);

 protected:
  HeaderPeek() = default;

  // What the decoder has written out when it does so for the first time; nothing if it may fail
  // before. `first` is the file's beginning, or the whole of it if it `is_whole`.
  virtual std::optional<std::span<const uint8_t>> decode(std::span<const uint8_t> first,
                                                         bool is_whole) = 0;

 private:
  std::vector<uint8_t> input_;
};

}  // namespace penstock::work
