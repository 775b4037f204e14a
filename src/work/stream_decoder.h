// The formats whose tools are fast enough for their relay to be felt, decoded as they come in: a
// decoder's last stage in our own process (docs/decisions/0015-payloads-in-process.md).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/decoder_string.h"
#include "pipeline/filtered_input.h"
#include "work/known_decoder.h"

namespace penstock::work {

// By the format's own library; null where its tool is as good: xz and bzip2 are slower than any
// pipe, and `xz -T0` decodes with all cores. Fails wherever the tool fails, and where damage or
// something else follows a good frame or member. zstd: the first frame may have a window of 8 MiB
// at most, later ones of 128 MiB, as with the tool.
std::unique_ptr<pipeline::StreamFilter> stream_decoder(Format format);

// A decoder string as all stages but the last, if that is one that we decode ourselves.
class BuiltinLastStage {
 public:
  // Nothing if known_last_stage() does not know it, or stream_decoder() its format.
  static std::optional<BuiltinLastStage> of(const pipeline::DecoderPlan& plan,
                                            std::string_view path);

  // None, where it is the only one.
  std::vector<pipeline::StageSpec> stages_before() const { return stages_before_; }
  std::unique_ptr<pipeline::FilteredInput> filter() const;

 private:
  std::vector<pipeline::StageSpec> stages_before_;
  std::string name_;
  Format format_ = Format::zstd;
};

}  // namespace penstock::work
