// A cgroup (version 2) for one job, on request: nobody can leave it by forking or by setsid.
#pragma once

#include <sys/types.h>

#include <set>
#include <string>

#include "sys/unique_fd.h"

namespace penstock::pipeline {

// Made below the cgroup that we are in, removed in the destructor if it is empty by then.
class Cgroup {
 public:
  // Throws with a sentence where there is no version 2 hierarchy or we may not make one in it.
  explicit Cgroup(const std::string& name);
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;
  ~Cgroup();

  const std::string& path() const { return path_; }
  // cgroup.procs, open for writing: a child that writes "0" to it has entered.
  int procs() const { return procs_.get(); }

 private:
  std::string path_;
  sys::UniqueFd procs_;
};

// Everybody in it; empty if it is gone.
std::set<pid_t> processes_in_cgroup(const std::string& path);

}  // namespace penstock::pipeline
