// Asks a pipe itself: how large, how full, whether it can be written, whether anybody is left at
// its other end. For that an end of it must be opened, which is a reader or a writer more while it
// is held; what is opened when, and why nobody notices, is told in probe.cc.
#pragma once

#include <map>
#include <set>
#include <unordered_map>
#include <vector>

#include "procfs/snapshot.h"

namespace penstock::procfs {

// Who holds an end, so that it can be reopened through him.
struct PipeHolders {
  struct End {
    pid_t pid = 0;
    int fd = -1;
  };
  bool is_fifo = false;
  std::vector<End> readers;  // a few of each are enough
  std::vector<End> writers;
};
std::unordered_map<ino_t, PipeHolders> holders_of(const Snapshot& snapshot,
                                                  const std::set<ino_t>& pipes);

// `proc`: a descriptor of the live /proc.
PipeFacts probe(int proc, ino_t pipe, const PipeHolders& holders);

}  // namespace penstock::procfs
