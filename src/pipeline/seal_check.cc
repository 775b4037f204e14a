#include "pipeline/seal_check.h"

#include "base/text.h"

namespace penstock::pipeline {

void SealCheck::check_length(const packet::Seal& seal, uint64_t length) {
  if (length < seal.length) {
    throw BrokenSeal(BrokenSeal::Cause::cut,
                     cat("the payload is cut: ", length, " of ", seal.length, " bytes"));
  }
  if (length > seal.length) {
    throw BrokenSeal(BrokenSeal::Cause::altered,
                     cat("the payload is altered: it has more than the ", seal.length,
                         " bytes that were sealed"));
  }
}

void SealCheck::add(std::span<const uint8_t> bytes) {
  length_ += bytes.size();
  if (length_ > seal_.length) check_length(seal_, length_);
  digest_.add(bytes);
}

void SealCheck::finish() {
  check_length(seal_, length_);
  if (digest_.finish() != seal_.digest) {
    throw BrokenSeal(BrokenSeal::Cause::altered,
                     "the payload is altered: its digest differs from its seal");
  }
}

}  // namespace penstock::pipeline
