#include "pipeline/job_tree.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <utility>

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
  const ProcessStat* process = nullptr;
  std::optional<std::vector<PipeEnd>> ends;
};

}  // namespace

void JobTree::note_inherited_pipes() {
  const auto ends = procfs::read_pipe_ends(::getpid());
  if (!ends) return;
  for (const PipeEnd& end : *ends) {
    if (sys::is_inherited(end.fd)) foreign_pipes.insert(end.inode);
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
  std::map<pid_t, const ProcessStat*> members;
  std::set<ino_t> pipes = tree.data_pipes;

  auto admit = [&](Candidate candidate) {
    members.emplace(candidate.process->pid, candidate.process);
    if (candidate.ends) {
      for (const PipeEnd& end : *candidate.ends) pipes.insert(end.inode);
    }
    inside.push_back(std::move(candidate));
  };
  // A child that has not left its parent's group. With a terminal no group is the job's alone, and
  // a shell's background job has no pipe of the job's either: its stdin is /dev/null.
  auto is_with_its_parent = [&](const ProcessStat& process) {
    const auto parent = members.find(process.parent);
    return parent != members.end() && parent->second->group == process.group &&
           parent->second->session == process.session;
  };
  for (const ProcessStat* process : descendants(all, root)) {
    if (!is_alive(*process) || tree.others.contains(process->pid)) continue;
    Candidate candidate{.process = process, .ends = pipe_ends_of(process->pid)};
    if (candidate.ends) {
      std::erase_if(*candidate.ends,
                    [&](const PipeEnd& end) { return tree.foreign_pipes.contains(end.inode); });
    }
    const bool is_stage = std::ranges::any_of(tree.stages, [&](const JobTree::Stage& stage) {
      return stage.pid == process->pid && stage.start_time == process->start_time;
    });
    const bool in_group = process->session == tree.session &&
                          (tree.whole_session || (tree.group != 0 && process->group == tree.group));
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
          is_with_its_parent(*candidate.process) ||
          (candidate.ends
               ? std::ranges::any_of(*candidate.ends,
                                     [&](const PipeEnd& end) { return pipes.contains(end.inode); })
               : members.contains(candidate.process->parent));
      if (!belongs) continue;
      admit(std::exchange(candidate, {}));
      grew = true;
    }
  }

  std::vector<ProcessStat> found;
  found.reserve(inside.size());
  for (const Candidate& candidate : inside) found.push_back(*candidate.process);
  return found;
}

bool is_read_only_by(std::string_view name, ino_t pipe, const std::vector<ProcessStat>& all,
                     const PipeEndsOf& pipe_ends_of) {
  if (std::ranges::find(all, 1, &ProcessStat::pid) == all.end()) return false;
  bool any = false;
  for (const ProcessStat& process : all) {
    if (process.kernel_thread || process.state == 'Z' || !is_alive(process)) continue;
    const auto ends = pipe_ends_of(process.pid);
    if (!ends) return false;
    const bool reads = std::ranges::any_of(
        *ends, [&](const PipeEnd& end) { return end.reads && end.inode == pipe; });
    if (reads && process.comm != name) return false;
    any = any || reads;
  }
  return any;
}

}  // namespace penstock::pipeline
