#include "procfs/snapshot.h"

#include <fcntl.h>

namespace penstock::procfs {

bool Descriptor::nonblocking() const {
  return (flags.value_or(0) & static_cast<uint32_t>(O_NONBLOCK)) != 0;
}

bool Descriptor::packet_mode() const {
  return is_pipe() && (flags.value_or(0) & static_cast<uint32_t>(O_DIRECT)) != 0;
}

ProcessId Process::id() const {
  return {.pid = stat.pid, .start_time = stat.start_time};
}

const Process* Snapshot::find(pid_t pid) const {
  const auto found = processes.find(pid);
  return found == processes.end() ? nullptr : &found->second;
}

const Process* Snapshot::find(const ProcessId& id) const {
  const Process* process = find(id.pid);
  return process != nullptr && process->id() == id ? process : nullptr;
}

}  // namespace penstock::procfs
