// Starting a program from a process that is not ours: one that has threads, signals and descriptors
// of which we know nothing.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sys/unique_fd.h"

namespace penstock::sys {

struct ProgramPlan {
  std::string path;  // as it is: not searched in PATH
  std::vector<std::string> argv;
  std::optional<std::vector<std::string>> env;  // "NAME=value"; nothing: as ours is now
  // {descriptor of the child, descriptor of ours}; ours at kLowestFd or above, the child's below.
  // It gets these, and 0, 1 and 2 as they are unless they are among these.
  std::vector<std::pair<int, int>> fds;
};

// Signals: an empty mask, PIPE and CHLD at their defaults; what is ignored besides stays so. Throws
// if it cannot be executed.
pid_t spawn_program(const ProgramPlan& plan);

}  // namespace penstock::sys
