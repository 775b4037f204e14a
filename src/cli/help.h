// Help for people, made from the command table. 80 columns.
#pragma once

#include <string>
#include <string_view>

#include "cli/parse.h"

namespace penstock::cli {

// "-q, --queuedir DIR", as help and manual show it.
std::string option_heading(const Option& option);

// What `penstock --help` prints.
std::string overview(const CommandTable& table);

// What `penstock COMMAND --help` prints.
std::string command_help(const Command& command);

// What `-V` prints, with its newline. Under the name fspl it is what fspl 1.2.2 says, as scripts
// may compare it.
std::string version_line(std::string_view argv0);

}  // namespace penstock::cli
