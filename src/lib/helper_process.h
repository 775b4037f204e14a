// The helper: a process of its own that runs one pipeline for a program that uses the library, so
// that the engine's signals, threads and orphans are never that program's.
#pragma once

#include <span>

namespace penstock::lib {

// The whole life of a helper; returns its exit status. `arguments` is the version of its caller.
// Its end of the socket is kHelperFd.
int helper_main(std::span<char* const> arguments);

}  // namespace penstock::lib
