// Whether the bytes that pass are those that were sealed. Whoever hands a payload on reads each
// byte once, shows it to the check, and writes that very byte: a second reading of a file could
// give others.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "base/error.h"
#include "packet/seal.h"
#include "pipeline/means_missing.h"
#include "sys/blake2b.h"

namespace penstock::pipeline {

// The payload is not the one that was sealed: "the payload is cut: 1000 of 2000 bytes".
class BrokenSeal : public Error {
 public:
  enum class Cause { cut, altered };
  BrokenSeal(Cause cause, std::string message) : Error(std::move(message)), cause_(cause) {}

  Cause cause() const { return cause_; }

 private:
  Cause cause_;
};

class SealCheck {
 public:
  // Throws MeansMissing where there is nothing to make digests with.
  explicit SealCheck(packet::Seal seal)
      : seal_(seal), digest_(by_our_means([] { return sys::Blake2b(); })) {}

  // For a payload whose length is known before it is read. Throws BrokenSeal if it is another one.
  static void check_length(const packet::Seal& seal, uint64_t length);

  // Throws BrokenSeal as soon as there are more bytes than were sealed.
  void add(std::span<const uint8_t> bytes);
  // The payload is at its end. Throws BrokenSeal if it is another one.
  void finish();

 private:
  packet::Seal seal_;
  sys::Blake2b digest_;
  uint64_t length_ = 0;
};

}  // namespace penstock::pipeline
