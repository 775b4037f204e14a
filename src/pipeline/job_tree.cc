#include "pipeline/job_tree.h"

#include <unistd.h>

#include <algorithm>
#include <map>

#include "sys/files.h"
#include "sys/pipe.h"

namespace penstock::pipeline {

namespace {

using procfs::PipeEnd;
using procfs::ProcessStat;

bool is_alive(const ProcessStat& process) {
  return process.state != 'X';
}

// Those below `root`, which excludes root itself.
std::vector<const ProcessStat*> descendants(const std::vector<ProcessStat>& all, pid_t root) {
  std::multimap<pid_t, const ProcessStat*> children;
  for (const ProcessStat& process : all) children.emplace(process.parent, &process);
  std::vector<const ProcessStat*> found;
  std::vector<pid_t> open = {root};
  std::set<pid_t> seen = {root};
  while (!open.empty()) {
    const pid_t parent = open.back();
    open.pop_back();
    const auto [first, last] = children.equal_range(parent);
    for (auto child = first; child != last; ++child) {
      if (!seen.insert(child->second->pid).second) continue;
      found.push_back(child->second);
      open.push_back(child->second->pid);
    }
  }
  return found;
}

struct Candidate {
  const ProcessStat* process;
  std::optional<std::vector<PipeEnd>> ends;
};

}  // namespace

void JobTree::note_inherited_pipes() {
  for (int fd = 0; fd < sys::kLowestFd; ++fd) {
    if (sys::is_pipe(fd)) foreign_pipes.insert(sys::inode_of(fd));
  }
}

void JobTree::note_descriptor(int role, int fd) {
  if (role < 0 || !sys::is_pipe(fd)) return;
  const ino_t inode = sys::inode_of(fd);
  if (role == STDERR_FILENO) {
    if (!data_pipes.contains(inode)) foreign_pipes.insert(inode);
  } else if (!foreign_pipes.contains(inode)) {
    data_pipes.insert(inode);
  }
}

std::vector<ProcessStat> find_members(const JobTree& tree, const std::vector<ProcessStat>& all,
                                      pid_t root, const PipeEndsOf& pipe_ends_of) {
  std::vector<Candidate> outside;  // descendants that are not known to be members yet
  std::vector<Candidate> inside;
  std::set<pid_t> member_pids;
  std::set<ino_t> pipes = tree.data_pipes;

  auto admit = [&](Candidate candidate) {
    member_pids.insert(candidate.process->pid);
    if (candidate.ends) {
      for (const PipeEnd& end : *candidate.ends) pipes.insert(end.inode);
    }
    inside.push_back(std::move(candidate));
  };
  for (const ProcessStat* process : descendants(all, root)) {
    if (!is_alive(*process)) continue;
    Candidate candidate{.process = process, .ends = pipe_ends_of(process->pid)};
    if (candidate.ends) {
      std::erase_if(*candidate.ends,
                    [&](const PipeEnd& end) { return tree.foreign_pipes.contains(end.inode); });
    }
    const bool is_stage = std::ranges::any_of(tree.stages, [&](const JobTree::Stage& stage) {
      return stage.pid == process->pid && stage.start_time == process->start_time;
    });
    const bool in_group =
        tree.group != 0 && process->group == tree.group && process->session == tree.session;
    if (is_stage || in_group || tree.in_cgroup.contains(process->pid)) {
      admit(std::move(candidate));
    } else {
      outside.push_back(std::move(candidate));
    }
  }

  // To the fixed point: each new member may bring new pipes.
  for (bool grew = true; grew;) {
    grew = false;
    for (Candidate& candidate : outside) {
      if (candidate.process == nullptr) continue;
      const bool belongs =
          candidate.ends
              ? std::ranges::any_of(*candidate.ends,
                                    [&](const PipeEnd& end) { return pipes.contains(end.inode); })
              : member_pids.contains(candidate.process->parent);
      if (!belongs) continue;
      admit(std::move(candidate));
      candidate.process = nullptr;
      grew = true;
    }
  }

  std::vector<ProcessStat> members;
  members.reserve(inside.size());
  for (const Candidate& candidate : inside) members.push_back(*candidate.process);
  return members;
}

}  // namespace penstock::pipeline
