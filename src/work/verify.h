// Whether job files are what their seals say, without running them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "packet/metadata.h"
#include "pipeline/options.h"
#include "work/decoding.h"

namespace penstock::work {

enum class SealState {
  whole,
  cut,
  altered,
  not_sealed,
  unreadable,  // no job file, or one that cannot be read or decoded to its end
};
// "whole", "not sealed"
const char* seal_state_name(SealState state);

struct Verified {
  SealState state = SealState::unreadable;
  std::string reason;  // one clause; empty for whole and not_sealed
  std::optional<packet::Metadata> metadata;
  std::optional<std::string> objection;  // to its signature, or to its having none
  std::string header;  // what a signature of it is made of: the header as it is without one
};

// Reads the job file to its end, through the decoder if there is one, and looks at its signature if
// decoding.trust says so. Throws Error only where no file could be verified: a decoder that cannot
// be started, no library for the seal.
// Once `cancelled` says so, what was read until then is judged as if it were all.
Verified verify_file(
    const std::string& path, const Decoding& decoding, const pipeline::Options& options,
    const std::function<bool()>& cancelled = [] { return false; });

}  // namespace penstock::work
