// Which decoders we can do without: commands whose format, options and surroundings we know all of.
#pragma once

#include <optional>
#include <string_view>

#include "pipeline/decoder_string.h"

namespace penstock::work {

enum class Format { zstd, gzip, xz, bzip2, lz4 };

struct KnownDecoder {
  Format format = Format::zstd;
  bool is_the_usual_program = false;  // that of /usr/bin, as far as its place tells
};

// Nothing if the plan is not one of `zstd -dc`, `zstdcat`, `unzstd`, `gzip -dc`, `gunzip`, `zcat`,
// `xz -dc`, `xzcat`, `unxz`, `bzip2 -dc`, `bzcat`, `bunzip2`, `lz4 -dc`, `lz4cat`, `unlz4` in their
// usual spellings, if it is not installed, if it is confined to a sandbox: there is none around us;
// or if a variable of our environment, which it would inherit, gives it more options (XZ_OPT, …).
// `path`: PATH, by which the program is found.
std::optional<KnownDecoder> known_decoder(const pipeline::DecoderPlan& plan, std::string_view path);

// The same of the last of several stages, which decodes what the others write.
std::optional<KnownDecoder> known_last_stage(const pipeline::DecoderPlan& plan,
                                             std::string_view path);

}  // namespace penstock::work
