// One thread at this moment, at the price of two small reads: for whoever must see at once whether
// a wait is still the same, and whether it has ended.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

namespace penstock::procfs {

struct ThreadState {
  char state = '?';
  std::optional<std::string> wchan;  // nothing: not told
  std::optional<uint64_t> voluntary_switches;

  bool operator==(const ThreadState&) const = default;
};

// Nothing if the thread is gone.
std::optional<ThreadState> read_thread_state(pid_t pid, pid_t tid);

}  // namespace penstock::procfs
