// The most bytes that a payload may have, as it reaches the command: --max-payload. A small file
// can hold a decoder busy for ever (a zip bomb), and fill what its command writes to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace penstock::pipeline {

class PayloadTooLarge : public Error {
 public:
  explicit PayloadTooLarge(std::string message) : Error(std::move(message)) {}
};

// Throws PayloadTooLarge if `bytes` are more than `most`, where there is such a limit.
inline void check_payload_size(std::optional<uint64_t> most, uint64_t bytes) {
  if (!most || bytes <= *most) return;
  throw PayloadTooLarge(
      cat("its payload is larger than the ", *most, " bytes that --max-payload allows"));
}

}  // namespace penstock::pipeline
