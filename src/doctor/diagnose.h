// doctor/: from two snapshots to findings. A pure function: it reads no file and asks no process,
// and it changes nothing.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "doctor/finding.h"
#include "doctor/graph.h"
#include "procfs/snapshot.h"

namespace penstock::doctor {

struct Diagnosis {
  std::vector<Finding> findings;  // the gravest first
  std::vector<Unknown>
      unknown;  // whoever could not be judged: with one of these nothing is "healthy"
  std::vector<ProcessId> unreadable;
  std::vector<Node> nodes;
  std::vector<Edge> edges;
  std::string kernel;

  bool is_stuck() const;
};

Diagnosis diagnose(const Scene& scene);
inline Diagnosis diagnose(const procfs::Snapshot& before, const procfs::Snapshot& now) {
  return diagnose(Scene(before, now));
}

// Whom to look at (doctor/scope.cc): a Chooser for procfs::take_snapshot.
struct Scope {
  std::set<pid_t> pids;  // each with its whole pipeline: by pipes, process group, parents, gates
  pid_t session = 0;     // everything of this session
  bool all = false;      // everything that holds a pipe
};
std::set<pid_t> choose(const Scope& scope, const procfs::Snapshot& table);

}  // namespace penstock::doctor
