// Options that are fine alone and make no sense together.
#pragma once

#include <optional>
#include <string>

#include "cli/args.h"

namespace penstock::cli {

// The first two that contradict each other, as a sentence. One of the two is always ours: what fspl
// accepts is accepted.
std::optional<std::string> contradiction_in(const Arguments& arguments);

}  // namespace penstock::cli
