// Which processes belong to a job. Pure: it is told what /proc says.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "procfs/process_table.h"

namespace penstock::pipeline {

struct JobTree {
  // Our own stages: members for as long as they live, wherever they have gone (a command may call
  // setsid).
  struct Stage {
    pid_t pid = 0;
    uint64_t start_time = 0;
  };
  std::vector<Stage> stages;
  // The job's process group in the keeper's session; 0 where the job shares its caller's.
  pid_t group = 0;
  pid_t session = 0;
  // Everybody in that session belongs to it, whatever his group: for when the keeper, who had made
  // the session, is dead, and all that it had started is to end.
  bool whole_session = false;
  // A descendant of ours that holds one of these belongs to the job, and so do, transitively,
  // holders of its pipes.
  std::set<ino_t> data_pipes;
  // The caller's pipes and those for stderr, which anybody may hold.
  std::set<ino_t> foreign_pipes;
  // Stages of other jobs that are not reaped: no members, whatever they seem to hold. One that was
  // started right now, ahead of its turn, holds all that its parent does, gates too: vfork returns
  // a moment before the exec closes them.
  std::set<pid_t> others;
  // Who is in the job's own cgroup, where it has one.
  std::set<pid_t> in_cgroup;

  // Counts the pipes that this process inherited from its caller as foreign.
  void note_inherited_pipes();
  // Notes descriptor `fd`, which becomes `role` (0, 1 or 2) of a stage: a data pipe, or a foreign
  // one for 2.
  void note_descriptor(int role, int fd);
};

using PipeEndsOf = std::function<std::optional<std::vector<procfs::PipeEnd>>(pid_t)>;

// The living members of `tree` among `all`. Descendants are those of `root`, which is none itself.
// A child of a member is one, too, unless it has left its parent's group. A descendant whose
// descriptors may not be read belongs to the job if its parent does (`sudo zfs receive`).
std::vector<procfs::ProcessStat> find_members(const JobTree& tree,
                                              const std::vector<procfs::ProcessStat>& all,
                                              pid_t root, const PipeEndsOf& pipe_ends_of);

// Whether `pipe` is read, and by processes of that name only, as far as `all` goes. No, if
// anybody's descriptors may not be read, or if not even init is among `all` (a /proc that hides
// others): a stranger could read it then.
bool is_read_only_by(std::string_view name, ino_t pipe, const std::vector<procfs::ProcessStat>& all,
                     const PipeEndsOf& pipe_ends_of);

}  // namespace penstock::pipeline
