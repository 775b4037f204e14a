// How to get at what is in a queue's job files: the settings.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

#include "packet/header.h"
#include "pipeline/decoder_string.h"
#include "work/trust.h"

namespace penstock::work {

struct Decoding {
  std::optional<pipeline::DecoderPlan> plan;  // none: job files are plain
  std::optional<std::chrono::milliseconds> header_timeout =
      std::chrono::milliseconds(60'000);  // none: no limit
  std::optional<Trust> trust;             // none: signatures are not looked at
  size_t readings_at_once = 0;  // decoders that read headers side by side; 0: by processors
  // With a decoder: what of the index is believed.
  enum class Index {
    none,      // it is neither read nor stored
    headers,   // a file that gave no header is decoded again
    failures,  // such a file is only decoded again after a while
  };
  Index index = Index::failures;
  bool believes_names = false;  // which later numbers they end with, until those are due
  bool is_builtin = true;       // headers are decoded in our own process where the plan allows it
  bool takes_whole = false;     // and so are small jobs, at their turn
  bool filters = false;         // and so is what goes through a last stage that we know
  std::string description;      // all that headers depend on besides their files

  // Why nothing that this header says may be acted upon; nothing if it may.
  std::optional<std::string> objection_to(const packet::HeaderReader& header) const {
    return trust ? trust->objection_to(header) : std::nullopt;
  }
  bool only_signed_count() const { return trust && trust->is_required(); }
};

}  // namespace penstock::work
