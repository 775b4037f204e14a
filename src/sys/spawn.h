// Starting a process. Two ways, for two callers: the keeper forks stages itself (spawn_stage), and
// whoever may have threads starts our own binary anew as the keeper (spawn_self).
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sys/process.h"
#include "sys/sandbox.h"

namespace penstock::sys {

struct StagePlan {
  std::vector<std::string> argv;  // argv[0] is searched in `path` unless it has a '/'
  std::vector<std::string> env;   // "NAME=value"
  std::string path;               // directories, ':' between
  // {descriptor of the child, descriptor of ours}; the rest is inherited unless close-on-exec.
  std::vector<std::pair<int, int>> fds;
  struct Redirect {
    int fd = 0;
    std::string path;  // empty: a copy of `from_fd`
    int flags = 0;
    int from_fd = -1;
  };
  std::vector<Redirect> redirects;  // applied in order, after `fds`
  enum class Group { inherit, join } group = Group::inherit;
  pid_t group_id = 0;                // join: this one; 0 makes a new one
  bool close_other_fds = false;      // nothing but 0 to 9 as planned reaches the child
  int cgroup_procs = -1;             // cgroup.procs to enter, or -1
  const Sandbox* sandbox = nullptr;  // to be entered last; borrowed
};

struct SpawnOutcome {
  pid_t pid = 0;          // 0: it could not be started
  int error = 0;          // why
  const char* step = "";  // which call: "execute", "open a redirection", …
};

// Starts a stage: death signal KILL, SIGPIPE default, an empty signal mask, ignored HUP, INT, QUIT
// left so. Must be called from a process with one thread and with all signals blocked.
SpawnOutcome spawn_stage(const StagePlan& plan);

// Starts a program, by PATH, with an empty signal mask and our environment. Safe with threads.
// False if it cannot be started.
bool spawn_helper(const std::vector<std::string>& argv);

// Starts this very binary with the given arguments (argv[0] included) and these descriptors left
// open in it, under their own numbers. Safe with threads. Throws if it cannot.
pid_t spawn_self(const std::vector<std::string>& argv, const std::vector<int>& kept_fds);

}  // namespace penstock::sys
