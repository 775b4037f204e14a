// One process: what every snapshot has of it, and what only those have that were asked for.
#pragma once

#include <optional>

#include "procfs/descriptors.h"
#include "procfs/run_clock.h"
#include "procfs/snapshot.h"
#include "procfs/system_call.h"

namespace penstock::procfs {

class ProcessReader {
 public:
  // `earlier`: what was read before, or null; it must outlive this.
  ProcessReader(Reader& reader, int proc, Origin origin, const Machine& machine,
                const Snapshot* earlier, double now_s);

  struct Entry {
    Process process;
    // It may have slept since the earlier snapshot; then it is as it was there, details and all.
    bool may_rest = false;
  };
  // Its line of the process table and its pipes; nothing if it is gone.
  std::optional<Entry> read_entry(pid_t pid);
  // Of one that may rest: whether it does, and what others have changed meanwhile. To be asked when
  // the whole table has been read: somebody who wakes it afterwards is not yet missing there.
  bool confirm_rest(Process& process);
  // Its pipes again; false if it is gone.
  bool read_descriptors(Process& process);
  // The rest. False if it has gone meanwhile, or its number was given out anew.
  bool read_details(Process& process);
  // Leaves what every process has.
  static void forget_details(Process& process);

  // Many are to be looked at: what only people want to know is left out then.
  void be_brief() { run_clock_.reset(); }

  // Whether any thread that was looked at had the file.
  bool saw_syscall_file() const { return saw_syscall_file_; }

 private:
  std::optional<StatLine> read_stat(const ProcessPlace& place);
  bool is_still_there(Process& process);
  std::optional<Process> suppose_rest(const StatLine& line) const;
  char find_home(ProcessPlace& place, char state, int threads);
  std::optional<int> exit_status(const ProcessPlace& place, const StatLine& line);
  std::vector<Task> read_tasks(const ProcessPlace& place, const Process& process,
                               StatusFile& first_status);
  std::optional<Task> read_task(const ProcessPlace& place, const Path& folder, pid_t tid,
                                StatusFile& status);
  void add_sleep(const ProcessPlace& place, const Path& folder, Task& task);
  std::optional<double> read_idle(const ProcessPlace& place, const Path& folder);
  std::optional<std::string> read_opening(const ProcessPlace& place, const Path& folder,
                                          const Task& task);
  void add_status(Process& process, const StatusFile& status);
  void add_files(const ProcessPlace& place, Process& process);
  void add_cgroup(const ProcessPlace& place, Process& process);
  void add_memory(const ProcessPlace& place, Process& process);
  bool may_read_memory(const std::vector<Task>& tasks) const;

  Reader& reader_;
  int proc_;
  Origin origin_;
  const Machine& machine_;
  const Snapshot* earlier_;
  double now_s_;
  CallTable calls_;
  DescriptorReader descriptors_;
  std::vector<int> tids_;
  std::optional<RunClock> run_clock_;
  bool saw_syscall_file_ = false;
};

}  // namespace penstock::procfs
