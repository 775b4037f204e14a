#include "pipeline/tree_end.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "base/text.h"
#include "pipeline/cgroup.h"
#include "sys/pipe.h"
#include "sys/process.h"

namespace penstock::pipeline {

using namespace std::chrono_literals;

namespace {

// When a tree that does not end is told about. Killing takes milliseconds; a core dump or a disk
// may take longer.
constexpr auto kPatience = 2s;
constexpr auto kCheckEvery = 100ms;

// Whether there are readers of this pipe, and all that can be seen are zfs-fuse.
bool only_zfs_fuse_reads(int gate) {
  const ino_t inode = sys::inode_of(gate);
  bool any = false;
  for (const procfs::ProcessStat& process : procfs::read_all_stats()) {
    if (process.pid == ::getpid()) continue;
    const auto ends = procfs::read_pipe_ends(process.pid);
    if (!ends) continue;
    const bool reads = std::ranges::any_of(
        *ends, [&](const procfs::PipeEnd& end) { return end.reads && end.inode == inode; });
    if (reads && process.comm != "zfs-fuse") return false;
    any = any || reads;
  }
  return any;
}

std::string user_name(uid_t uid) {
  return uid == 0 ? "root" : cat("user ", uid);
}

}  // namespace

TreeEnd::TreeEnd(sys::EventLoop& loop, Plan plan, Hooks hooks)
    : loop_(loop),
      plan_(std::move(plan)),
      hooks_(std::move(hooks)),
      grace_timer_(loop, [this] { strike(); }),
      check_timer_(loop, [this] { look_whether_over(); }) {
  const auto grace = plan_.grace;
  if (grace > 0ms) {
    ask_nicely();
    grace_timer_.set(grace);
    check_timer_.set(kCheckEvery);
  } else {
    if (plan_.mode == EndMode::gate_shut) stop_the_known();
    // In a turn of its own: hooks must not run inside the constructor.
    grace_timer_.set(0ms);
  }
}

void TreeEnd::ask_nicely() {
  for (Member* member : look_again()) {
    member->refused = sys::send_signal(member->pidfd.get(), SIGTERM) == sys::Delivery::refused;
    // A stopped one would never see it.
    sys::send_signal(member->pidfd.get(), SIGCONT);
  }
}

void TreeEnd::strike() {
  if (over_ || struck_) return;
  struck_ = true;
  struck_at_ = std::chrono::steady_clock::now();
  if (plan_.mode == EndMode::gate_shut) {
    stop_until_none_is_new();
  } else {
    look_again();
  }
  kill_all();
  look_whether_over();
}

std::vector<TreeEnd::Member*> TreeEnd::look_again() {
  std::vector<Member*> fresh;
  if (!plan_.cgroup.empty()) plan_.tree.in_cgroup = processes_in_cgroup(plan_.cgroup);
  for (procfs::ProcessStat& process :
       find_members(plan_.tree, procfs::read_all_stats(), plan_.root, procfs::read_pipe_ends)) {
    const auto known = members_.find(process.pid);
    if (known != members_.end()) {
      if (known->second.process.start_time == process.start_time) continue;
      members_.erase(known);  // the number was given out anew
    }
    auto pidfd = sys::open_pidfd(process.pid);
    if (!pidfd) continue;
    const auto again = procfs::read_stat(process.pid);
    if (!again || again->start_time != process.start_time) continue;  // not the one we looked at
    Member& member = members_[process.pid];
    member.process = std::move(process);
    member.pidfd = std::move(*pidfd);
    member.dead = sys::is_dead(member.pidfd.get());
    if (!member.dead) {
      member.watch = std::make_unique<sys::Watch>(loop_, member.pidfd.get(), EPOLLIN,
                                                  [this, &member](uint32_t) {
                                                    member.dead = true;
                                                    member.watch.reset();
                                                    look_whether_over();
                                                  });
    }
    fresh.push_back(&member);
  }
  return fresh;
}

// At once, before the first look around: that reads all of /proc, which on a busy machine takes
// long enough for whoever killed one of our two processes to kill the other one, too.
void TreeEnd::stop_the_known() const {
  for (const JobTree::Stage& stage : plan_.tree.stages) {
    const auto pidfd = sys::open_pidfd(stage.pid);
    const auto process = procfs::read_stat(stage.pid);
    if (!pidfd || !process || process->start_time != stage.start_time) continue;
    sys::send_signal(pidfd->get(), SIGSTOP);
  }
  // Its leader is not reaped before the tree is over, so the number is still the job's.
  if (plan_.tree.group != 0) sys::signal_group(plan_.tree.group, SIGSTOP);
}

void TreeEnd::stop_until_none_is_new() {
  // Members from the grace time are stopped, too: they may still fork.
  for (auto& [pid, member] : members_) sys::send_signal(member.pidfd.get(), SIGSTOP);
  for (;;) {
    const std::vector<Member*> fresh = look_again();
    const bool any = std::ranges::any_of(fresh, [](const Member* member) { return !member->dead; });
    if (!any) return;
    for (Member* member : fresh) sys::send_signal(member->pidfd.get(), SIGSTOP);
  }
}

void TreeEnd::kill_all() {
  std::vector<pid_t> foreign;
  for (auto& [pid, member] : members_) {
    if (member.dead) continue;
    const bool refused = sys::send_signal(member.pidfd.get(), SIGKILL) == sys::Delivery::refused;
    if (refused) foreign.push_back(pid);
    member.refused = refused;
  }
  // One by one, a shell of theirs would go on behind its dead child.
  if (!foreign.empty() && hooks_.kill_foreign) hooks_.kill_foreign(foreign);
}

bool TreeEnd::gate_is_read() const {
  if (plan_.gate < 0 || sys::poll_now(plan_.gate).broken) return false;
  // zfs-fuse reads for `zfs receive`, and goes on after that was killed. It takes no stream without
  // its end mark, so where the end was kept back from it, end-of-file does no harm, and without it
  // its data set stays busy for ever.
  return !(plan_.gate_holds && only_zfs_fuse_reads(plan_.gate));
}

void TreeEnd::look_whether_over() {
  if (over_) return;
  const bool all_dead =
      std::ranges::all_of(members_, [](const auto& entry) { return entry.second.dead; });
  if (all_dead) {
    // Somebody may have been forked between our last look and a death.
    const std::vector<Member*> fresh = look_again();
    const bool any = std::ranges::any_of(fresh, [](const Member* member) { return !member->dead; });
    if (any && struck_) {
      if (plan_.mode == EndMode::gate_shut) stop_until_none_is_new();
      kill_all();
    } else if (any) {
      for (Member* member : fresh) sys::send_signal(member->pidfd.get(), SIGTERM);
    } else if (!gate_is_read()) {
      over_ = true;
      check_timer_.clear();
      grace_timer_.clear();
      const auto ended = hooks_.ended;  // may destroy us
      ended();
      return;
    }
  }
  if (struck_ && std::chrono::steady_clock::now() - struck_at_ > kPatience) tell_who_is_left();
  const bool refused = std::ranges::any_of(
      members_, [](const auto& entry) { return entry.second.refused && !entry.second.dead; });
  if (struck_ && refused && !hooks_.kill_foreign) tell_who_is_left();
  check_timer_.set(kCheckEvery);
}

void TreeEnd::tell_who_is_left() {
  if (told_) return;
  told_ = true;
  std::vector<const Member*> left;
  for (const auto& [pid, member] : members_) {
    if (!member.dead) left.push_back(&member);
  }
  if (left.empty()) {
    hooks_.stuck(0, "a process that we cannot see still reads its input; its input stays shut");
    return;
  }
  std::ranges::sort(left, {}, [](const Member* member) {
    return std::pair(member->process.start_time, member->process.pid);
  });
  // The youngest is the one to name: with `sudo zfs receive` that is zfs.
  const Member& youngest = *left.back();
  const pid_t pid = youngest.process.pid;
  const std::string who = cat(printable(youngest.process.comm), " ", pid);
  if (youngest.refused) {
    // To be killed in one go and parents first: a shell would take its child's death for an end,
    // and go on.
    std::string pids;
    for (const Member* member : left) pids += cat(" ", member->process.pid);
    const auto owner = procfs::read_owner(pid);
    hooks_.stuck(pid,
                 cat(who, " belongs to ", owner ? user_name(*owner) : "another user",
                     " and cannot be ended by us; its input stays shut: sudo kill -KILL", pids));
    return;
  }
  const auto now = procfs::read_stat(pid);
  hooks_.stuck(pid, cat(who, " was killed but does not die",
                        now && now->state == 'D' ? " (it waits in the kernel)" : "",
                        "; its input stays shut until it is gone"));
}

}  // namespace penstock::pipeline
