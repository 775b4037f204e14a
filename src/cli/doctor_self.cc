#include "cli/doctor_self.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>

#include "base/text.h"
#include "cli/doctor_scope.h"
#include "pipeline/shell_names.h"
#include "sys/files.h"
#include "sys/pipe_race.h"

namespace penstock::cli {

namespace {

using doctor::SelfFacts;

constexpr int kAttempts = 300;
constexpr std::chrono::milliseconds kRaceLimit{1500};

// Empty where there is no such file, or we may not read it.
std::string content(const std::string& path) {
  constexpr size_t kMost = 1U << 20U;
  const auto fd = sys::try_open(path, O_RDONLY);
  return fd ? sys::read_small_file(fd->get(), kMost, path) : "";
}

// The rest of the line that starts so; empty if none does.
std::string rest_of_line(std::string_view text, std::string_view start) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.starts_with(start)) return std::string(trim(line.substr(start.size())));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return "";
}

bool has_cap_sys_ptrace(std::string_view status) {
  constexpr unsigned kCapSysPtrace = 19;
  const std::string hex = rest_of_line(status, "CapEff:");
  return (std::strtoull(hex.c_str(), nullptr, 16) >> kCapSysPtrace & 1U) != 0;
}

// From a line like "proc /proc proc rw,nosuid,hidepid=invisible 0 0".
std::string hidepid(std::string_view mounts) {
  const std::string line = rest_of_line(mounts, "proc /proc proc ");
  constexpr std::string_view kOption = "hidepid=";
  const size_t at = line.find(kOption);
  if (at == std::string::npos) return "";
  const std::string value = line.substr(at + kOption.size());
  const std::string word = value.substr(0, value.find_first_of(", "));
  return word == "0" || word == "off" ? "" : word;
}

// Where version 2 is mounted; empty where it is not.
std::string cgroup_root(std::string_view mounts) {
  while (!mounts.empty()) {
    const std::string_view line = mounts.substr(0, mounts.find('\n'));
    mounts.remove_prefix(std::min(mounts.size(), line.size() + 1));
    const size_t name = line.find(' ') + 1;
    const size_t end = line.find(' ', name);
    if (end != std::string_view::npos && line.substr(end).starts_with(" cgroup2 ")) {
      return std::string(line.substr(name, end - name));
    }
  }
  return "";
}

void look_at_cgroup(SelfFacts& facts, std::string_view mounts) {
  const std::string root = cgroup_root(mounts);
  const std::string own = rest_of_line(content("/proc/self/cgroup"), "0::");
  if (root.empty() || own.empty()) return;
  facts.cgroup = own;
  // To make a group is to be allowed to move processes between groups: this file says so.
  facts.cgroup_is_delegated = sys::try_open(cat(root, own, "/cgroup.procs"), O_WRONLY).has_value();
}

bool is_in_path(std::string_view program) {
  const char* path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    const std::string_view directory = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), directory.size() + 1));
    // A folder that we may not look into has nothing for us.
    if (::access(cat(directory, "/", program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

void look_around(SelfFacts& facts) {
  const procfs::Snapshot all = look_at_all();
  facts.machine = all.machine;
  for (const auto& [inode, pipe] : all.pipes) {
    if (pipe.owner != facts.machine.looker || !pipe.capacity) continue;
    ++facts.pipes;
    facts.pages_in_pipes += *pipe.capacity / facts.machine.page_size;
  }
  for (const auto& [pid, process] : all.processes) {
    if (!process.descriptors && !process.stat.kernel_thread && !process.is_zombie()) {
      ++facts.unreadable;
    }
    // The name of a process that may be another user's: that of ours holds some pipe or socket.
    if (process.stat.comm == "gpg-agent" && process.descriptors) facts.gpg_agent_runs = true;
  }
}

}  // namespace

SelfFacts gather_self_facts() {
  SelfFacts facts;
  const std::string mounts = content("/proc/self/mounts");
  look_around(facts);
  if (const auto race = sys::provoke_lost_wakeup(kAttempts, kRaceLimit)) {
    facts.race = {.attempts = race->attempts, .provoked = race->provoked};
  }
  facts.may_trace = has_cap_sys_ptrace(content("/proc/self/status"));
  facts.proc_hides = hidepid(mounts);
  look_at_cgroup(facts, mounts);
  facts.gpg_is_installed = is_in_path("gpg");
  const char* shell = std::getenv("SHELL");
  facts.shell = shell == nullptr ? "" : shell;
  const std::string_view name = facts.shell.empty() ? "sh" : base_name(facts.shell);
  facts.shell_is_understood = pipeline::speaks_common_syntax(name);
  facts.shell_has_pipefail = pipeline::has_pipefail(name);
  facts.zfs_set_pipe_max = std::getenv("ZFS_SET_PIPE_MAX") != nullptr;
  facts.zfs_version = std::string(trim(content("/sys/module/zfs/version")));
  return facts;
}

}  // namespace penstock::cli
