// Takes snapshots: of the live /proc, or of a recorded tree of the same shape (tests).
//
// Nothing here can wake, signal, stop or trace anybody. A pipe's end that is reopened is closed
// again after one call, and before another one of that pipe is opened; files behind descriptors are
// never stat'ed unless their file system is known to be local.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "procfs/snapshot.h"

namespace penstock::procfs {

struct Source {
  std::string proc = "/proc";
  std::string sys_cgroup = "/sys/fs/cgroup";
  // Whether pipes may be probed (opened): only in the live /proc. A recorded tree may bring what
  // the probes said, in PROC/penstock-probes (docs/formats/recorded-proc.md).
  bool is_live() const { return proc == "/proc"; }
};

// From a snapshot in which nobody is looked at yet: whose threads, arguments and pipes are to be
// read.
using Chooser = std::function<std::set<pid_t>(const Snapshot& table)>;

// Never throws for a process: one that goes away meanwhile, or may not be read, is simply less
// known. Throws Error if /proc itself cannot be read.
//
// `earlier`: one of the same live source, or null. What cannot have changed since then is taken
// over from it, which makes a second look several times cheaper.
Snapshot take_snapshot(const Source& source, const Chooser& choose,
                       const Snapshot* earlier = nullptr);

// One pipe again, through whichever holder in `snapshot` lets us; nothing known if none does.
PipeFacts probe_pipe(const Source& source, const Snapshot& snapshot, ino_t pipe);

}  // namespace penstock::procfs
