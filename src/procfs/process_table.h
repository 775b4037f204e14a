// procfs/: typed readings of /proc. One snapshot, no opinions; a process that vanished or may not
// be read is a value. That we lack descriptors or memory to read it is none: all of these throw
// Error then, since nobody may be taken for gone because of that.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sys/unique_fd.h"

namespace penstock::procfs {

// A process by what identifies it: numbers are given out anew, start times (clock ticks since boot)
// are not.
struct ProcessId {
  pid_t pid = 0;
  uint64_t start_time = 0;

  auto operator<=>(const ProcessId&) const = default;
};

// What /proc/PID/stat says; proc(5) numbers its fields.
struct ProcessStat {
  pid_t pid = 0;
  std::string comm;
  char state = '?';
  pid_t parent = 0;
  pid_t group = 0;
  pid_t session = 0;
  uint64_t start_time = 0;  // clock ticks since boot: with the pid, the identity of a process
  bool kernel_thread = false;

  bool operator==(const ProcessStat&) const = default;
};

// One descriptor of a process that is open on a pipe.
struct PipeEnd {
  int fd = -1;
  ino_t inode = 0;
  bool reads = false;
  bool writes = false;

  bool operator==(const PipeEnd&) const = default;
};

// The line of /proc/PID/stat; nothing if it is malformed. The name may contain blanks, brackets and
// newlines.
std::optional<ProcessStat> parse_stat(std::string_view line);

// Nothing if the process is gone.
std::optional<ProcessStat> read_stat(pid_t pid);
// Every process that could be read.
std::vector<ProcessStat> read_all_stats();
// Nothing if its descriptor table may not be read, wholly (or it is gone).
std::optional<std::vector<PipeEnd>> read_pipe_ends(pid_t pid);
// The user a process runs as (its effective uid); nothing if it is gone.
std::optional<uid_t> read_owner(pid_t pid);

// The counters of /proc/PID/io: bytes through read and write calls (splice does not count).
struct IoCounters {
  uint64_t read = 0;
  uint64_t written = 0;
};
std::optional<IoCounters> read_io(pid_t pid);
// The file that tells them, to be asked later: of a process that has ended only root may open it.
// Empty if it may not be read.
sys::UniqueFd open_io(pid_t pid);
std::optional<IoCounters> read_io(const sys::UniqueFd& file);

}  // namespace penstock::procfs
