// All commands of the program, in one list that one can read.
#pragma once

#include "cli/parse.h"

namespace penstock::cli {

// Constant data: nothing runs before main.
extern const CommandTable kCommandTable;

}  // namespace penstock::cli
