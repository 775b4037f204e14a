// A shell's completion script, made from the command table: `penstock --completions bash`.
#pragma once

#include <string>

#include "cli/parse.h"

namespace penstock::cli {

// For bash, under both names, penstock and fspl.
std::string bash_completions(const CommandTable& table);

}  // namespace penstock::cli
