#include "procfs/still_pipes.h"

#include <algorithm>

namespace penstock::procfs {

namespace {

// A call that reads or writes names its descriptor; of others it is not asked.
bool may_sleep_on(const Process& process, int fd) {
  if (process.tasks.empty()) return true;
  return std::ranges::any_of(process.tasks, [fd](const Task& task) {
    if (!task.syscall) return true;
    const Call call = task.syscall->call;
    if (call != Call::read && call != Call::write) return true;
    return static_cast<int>(task.syscall->arguments[0]) == fd;
  });
}

template <typename See>
void each_pipe(const Process& process, const See& see) {
  if (!process.descriptors) return;
  for (const Descriptor& descriptor : *process.descriptors) {
    if (descriptor.is_pipe()) see(descriptor);
  }
}

// What was told of pipes in the earlier snapshot without a holder in sight.
void add_unexplained(const Snapshot& earlier, std::unordered_set<ino_t>& stirred) {
  std::unordered_set<ino_t> read;
  std::unordered_set<ino_t> written;
  for (const auto& [pid, process] : earlier.processes) {
    each_pipe(process, [&](const Descriptor& descriptor) {
      if (descriptor.reads) read.insert(descriptor.inode);
      if (descriptor.writes) written.insert(descriptor.inode);
      // Whoever finds its name may open it at any time.
      if (descriptor.kind == FileKind::fifo) stirred.insert(descriptor.inode);
    });
  }
  for (const auto& [pipe, facts] : earlier.pipes) {
    const bool somebody_reads = facts.has_reader == true && !read.contains(pipe);
    const bool somebody_writes = facts.has_writer == true && !written.contains(pipe);
    if (somebody_reads || somebody_writes || !facts.refused.empty()) stirred.insert(pipe);
  }
}

}  // namespace

std::unordered_set<ino_t> stirred_pipes(const Snapshot& earlier, const Snapshot& now,
                                        const std::set<pid_t>& resting) {
  std::unordered_set<ino_t> stirred;
  add_unexplained(earlier, stirred);
  // Whoever has gone since, or let go of an end, was awake for it.
  for (const auto& [pid, process] : earlier.processes) {
    if (resting.contains(pid)) continue;
    each_pipe(process, [&](const Descriptor& end) { stirred.insert(end.inode); });
  }
  for (const auto& [pid, process] : now.processes) {
    const bool rests = resting.contains(pid);
    each_pipe(process, [&](const Descriptor& end) {
      if (!rests || may_sleep_on(process, end.fd)) stirred.insert(end.inode);
    });
  }
  return stirred;
}

}  // namespace penstock::procfs
