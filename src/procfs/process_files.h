// The files below /proc/PID as values: pure functions of their text. Each takes any bytes (names
// with newlines and brackets, files cut anywhere, absurd numbers) and gives what it could tell.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "procfs/snapshot.h"

namespace penstock::procfs {

// All of /proc/PID/stat that we use.
struct StatLine {
  ProcessStat stat;
  int tty = 0;
  pid_t foreground_group = -1;
  uint64_t cpu_ticks = 0;
  int threads = 1;
  int processor = -1;  // where it runs, or ran last
  int exit_code = 0;   // 0 also where the reader may not know it
};
std::optional<StatLine> parse_stat_line(std::string_view text);

// /proc/PID/status, or that of a thread.
struct StatusFile {
  std::string comm;
  char state = '?';
  int threads = 1;
  std::optional<uid_t> user;  // effective
  pid_t tracer = 0;
  uint64_t pending = 0;  // the thread's own and the process's
  uint64_t blocked = 0;
  uint64_t ignored = 0;
  uint64_t caught = 0;
  std::optional<uint64_t> voluntary_switches;
  std::optional<uint64_t> involuntary_switches;
};
StatusFile parse_status(std::string_view text);

std::optional<IoTotals> parse_io(std::string_view text);
// Nothing for "0", which is what the kernel says both of a running task and to those who may not
// know.
std::optional<std::string> parse_wchan(std::string_view text);
// se.exec_start: when the task last ran, in milliseconds of its processor's clock (RunClock).
std::optional<double> parse_exec_start(std::string_view text);
// Words that end with NUL each; the last one may be cut.
std::vector<std::string> parse_arguments(std::string_view text);
// Those names of `wanted` that stand in an environment block.
std::vector<std::string> parse_environment(std::string_view text,
                                           const std::vector<std::string_view>& wanted);

struct FdInfo {
  std::optional<uint64_t> position;
  std::optional<uint32_t> flags;
  std::optional<int> mount;
  std::vector<EpollEntry> watched;
  bool locked = false;  // a lock is held through this description (flock, or OFD)
};
FdInfo parse_fdinfo(std::string_view text);

// What the link of a descriptor says. A named pipe cannot be told from a path by that.
struct FdLink {
  FileKind kind = FileKind::other;
  ino_t inode = 0;
};
FdLink parse_fd_link(std::string_view target);
bool is_gate_memfd(std::string_view target);

}  // namespace penstock::procfs
