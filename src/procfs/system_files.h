// The files of /proc that are about the machine, and those of cgroups, as values: pure functions of
// their text, which may be any bytes.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "procfs/snapshot.h"

namespace penstock::procfs {

std::vector<FileLock> parse_locks(std::string_view text);

// /proc/net/tcp and tcp6 alike; an IPv4 address within IPv6 is written as the former.
std::vector<TcpSocket> parse_tcp(std::string_view text);
std::vector<UnixSocket> parse_unix(std::string_view text);

// /proc/PID/cgroup. On a machine with both hierarchies a process has two paths.
struct CgroupPaths {
  std::optional<std::string> unified;
  std::optional<std::string> freezer;  // v1
};
CgroupPaths parse_cgroup(std::string_view text);
// "frozen" of cgroup.events, "throttled_usec" of cpu.stat, "high" of memory.events: lines of a key,
// a blank, a number.
std::optional<uint64_t> parse_keyed(std::string_view text, std::string_view key);

// Mount identifiers and whether their file system is known to live on this machine, so that asking
// it for a file's type cannot hang.
std::map<int, bool> parse_mounts(std::string_view text);

}  // namespace penstock::procfs
