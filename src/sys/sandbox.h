// What a program that parses hostile input is kept from, by Landlock and seccomp: changing files,
// the network, new privileges. docs/decisions/0008-sandbox.md has the list and the reasons.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sys/unique_fd.h"

namespace penstock::sys {

enum class Sockets {
  none,
  local,  // AF_UNIX, with a name in the file system: gpg speaks to its agent
};

// Why a Sandbox on this machine keeps a program from less than it should, or nothing:
// "Landlock: Function not implemented".
std::optional<std::string> sandbox_gap();

class Sandbox {
 public:
  struct Plan {
    Sockets sockets = Sockets::none;
    // Directories below which files may be made, changed and removed, besides /dev/null.
    std::vector<std::string> may_write;
  };
  // Prepares as much as this kernel has. Throws "open DIR: reason".
  explicit Sandbox(const Plan& plan);

  // For the calling thread, its later children, and for good. HAZARD: called between vfork and
  // exec, so system calls only. Returns what failed, with errno, or null.
  const char* enter() const;

 private:
  UniqueFd rules_;  // none: no Landlock
  std::vector<sock_filter> filter_;
};

}  // namespace penstock::sys
