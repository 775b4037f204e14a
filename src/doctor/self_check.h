// What this machine does to pipes, and what it hides from the doctor: `penstock doctor --self`. A
// pure function of facts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "procfs/snapshot.h"

namespace penstock::doctor {

enum class Level : uint8_t { ok, careful, bad };
std::string_view name_of(Level level);  // "OK", "careful", "bad"

struct Check {
  const char* name = nullptr;  // "kernel", for programs
  Level level = Level::ok;
  std::string what;  // what there is
  std::string why;   // what follows from it; may be empty
};

struct SelfFacts {
  procfs::Machine machine;
  // What came of provoking the lost wakeup; nothing if that could not be tried.
  struct Race {
    int attempts = 0;
    bool provoked = false;
  };
  std::optional<Race> race;
  uint64_t pages_in_pipes = 0;  // of this user, as far as they are visible
  size_t pipes = 0;
  bool may_trace = false;  // CAP_SYS_PTRACE
  std::string proc_hides;  // hidepid of /proc; empty: nothing
  size_t unreadable = 0;   // processes whose descriptors we may not read
  std::string cgroup;      // our version 2 group; empty: none
  bool cgroup_is_delegated = false;
  bool gpg_agent_runs = false;
  bool gpg_is_installed = false;
  std::string shell;  // SHELL
  bool shell_is_understood = false;
  bool shell_has_pipefail = false;
  bool zfs_set_pipe_max = false;
  std::string zfs_version;  // of the kernel module; empty: none
};

std::vector<Check> check_self(const SelfFacts& facts);

// One line each: "OK       kernel 6.18.44: the lost wakeup (CVE-2023-52672) is mended".
std::string explain_checks(const std::vector<Check>& checks, size_t width);

}  // namespace penstock::doctor
