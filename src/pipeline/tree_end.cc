#include "pipeline/tree_end.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <optional>
#include <utility>

#include "base/error.h"
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
constexpr auto kForeignCheckEvery = 500ms;  // that may take a person

// Whether there are readers of this pipe, all of them zfs-fuse, and nobody else could be one.
bool only_zfs_fuse_reads(int gate) {
  // One that went while we looked reads nothing any more.
  auto ends_of = [](pid_t pid) {
    auto ends = procfs::read_pipe_ends(pid);
    if (!ends && !procfs::read_stat(pid)) ends.emplace();
    return ends;
  };
  try {
    std::vector<procfs::ProcessStat> all = procfs::read_all_stats();
    std::erase_if(all, [](const procfs::ProcessStat& one) { return one.pid == ::getpid(); });
    return is_read_only_by("zfs-fuse", sys::inode_of(gate), all, ends_of);
  } catch (const Error&) {
    return false;  // we could not look
  }
}

std::string user_name(uid_t uid) {
  return uid == 0 ? "root" : cat("user ", uid);
}

// Nothing if that very process is gone.
std::optional<sys::UniqueFd> open_process(pid_t pid, uint64_t start_time) {
  auto pidfd = sys::open_pidfd(pid);
  if (!pidfd) return std::nullopt;
  const auto process = procfs::read_stat(pid);
  if (!process || process->start_time != start_time) return std::nullopt;
  return pidfd;
}

}  // namespace

TreeEnd::TreeEnd(sys::EventLoop& loop, Plan plan, Hooks hooks)
    : loop_(loop),
      plan_(std::move(plan)),
      hooks_(std::move(hooks)),
      grace_timer_(loop, [this] { strike(); }),
      check_timer_(loop, [this] { look_whether_over(); }) {
  const auto grace = plan_.grace;
  if (grace == 0ms && plan_.mode == EndMode::gate_shut) stop_the_known();
  grace_timer_.prepare();
  check_timer_.prepare();
  if (grace > 0ms) {
    ask_nicely();
    grace_timer_.set(grace);
    check_timer_.set(kCheckEvery);
  } else {
    // In a turn of its own: hooks must not run inside the constructor.
    grace_timer_.set(0ms);
  }
}

void TreeEnd::ask_nicely() {
  for (Member* member : look_again()) {
    send(*member, SIGTERM);
    // A stopped one would never see it.
    send(*member, SIGCONT);
  }
}

void TreeEnd::strike() {
  if (over_ || struck_) return;
  struck_ = true;
  struck_at_ = std::chrono::steady_clock::now();
  if (plan_.mode == EndMode::gate_open) look_again();
  finish_off();
  look_whether_over();
}

std::vector<TreeEnd::Member*> TreeEnd::look_again() {
  std::vector<Member*> fresh;
  std::vector<procfs::ProcessStat> found;
  try {
    if (hooks_.others) plan_.tree.others = hooks_.others();
    if (!plan_.cgroup.empty()) plan_.tree.in_cgroup = processes_in_cgroup(plan_.cgroup);
    found = find_members(plan_.tree, procfs::read_all_stats(), plan_.root, procfs::read_pipe_ends);
  } catch (const Error&) {
    missed_ = true;
    do_without_watches();  // which gives us some descriptors for the next look
    return fresh;
  }
  for (procfs::ProcessStat& process : found) {
    const auto known = members_.find(process.pid);
    if (known != members_.end()) {
      if (known->second.process.start_time == process.start_time) continue;
      members_.erase(known);  // the number was given out anew
    }
    const pid_t pid = process.pid;
    Member& member = members_[pid];
    member.process = std::move(process);
    if (watch(member)) {
      fresh.push_back(&member);
    } else {
      members_.erase(pid);
    }
  }
  return fresh;
}

// False if it is gone.
bool TreeEnd::watch(Member& member) {
  if (!has_watches_) return true;
  try {
    auto pidfd = open_process(member.process.pid, member.process.start_time);
    if (!pidfd) return false;
    member.dead = sys::is_dead(pidfd->get());
    if (member.dead) return true;
    member.watch =
        std::make_unique<sys::Watch>(loop_, pidfd->get(), EPOLLIN, [this, &member](uint32_t) {
          member.dead = true;
          member.watch.reset();
          member.pidfd.reset();
          look_whether_over();
        });
    member.pidfd = std::move(*pidfd);
  } catch (const Error&) {
    do_without_watches();
  }
  return true;
}

// A tree of thousands may want more descriptors than we may have; one or two at a time will do.
void TreeEnd::do_without_watches() {
  has_watches_ = false;
  for (auto& [pid, member] : members_) {
    member.watch.reset();
    member.pidfd.reset();
  }
}

void TreeEnd::send(Member& member, int signal) {
  if (member.dead) return;
  try {
    std::optional<sys::UniqueFd> own;
    if (!member.pidfd) {
      own = open_process(member.process.pid, member.process.start_time);
      if (!own) return;  // gone
    }
    const int pidfd = own ? own->get() : member.pidfd.get();
    member.refused = sys::send_signal(pidfd, signal) == sys::Delivery::refused;
  } catch (const Error&) {
    missed_ = true;
    do_without_watches();
    return;
  }
  if (signal == SIGKILL) member.killed = true;
}

// At once, before the first look around: that reads all of /proc, which on a busy machine takes
// long enough for whoever killed one of our two processes to kill the other one, too.
void TreeEnd::stop_the_known() const {
  for (const JobTree::Stage& stage : plan_.tree.stages) {
    try {
      if (const auto pidfd = open_process(stage.pid, stage.start_time)) {
        sys::send_signal(pidfd->get(), SIGSTOP);
      }
    } catch (const Error&) {
      // It is looked for again, and nobody is killed before it has stopped.
    }
  }
  // Its leader is not reaped before the tree is over, so the number is still the job's.
  if (plan_.tree.group != 0) sys::signal_group(plan_.tree.group, SIGSTOP);
}

// Whether all of them were reached.
bool TreeEnd::stop_until_none_is_new() {
  missed_ = false;
  // Members from the grace time are stopped, too: they may still fork.
  for (auto& [pid, member] : members_) send(member, SIGSTOP);
  for (;;) {
    const std::vector<Member*> fresh = look_again();
    const bool any = std::ranges::any_of(fresh, [](const Member* member) { return !member->dead; });
    if (!any) return !missed_;
    for (Member* member : fresh) send(*member, SIGSTOP);
  }
}

// With the gate shut nobody is killed before all stand still: the rest would take that for an end.
void TreeEnd::finish_off() {
  if (plan_.mode == EndMode::gate_shut) {
    if (!stop_until_none_is_new()) return;
    if (has_foreign()) {
      // They cannot be stopped, and would take the death of ours for an end: they go first.
      kill_foreign();
      return;
    }
  }
  kill_all();
  kill_foreign();
}

bool TreeEnd::has_foreign() const {
  return std::ranges::any_of(
      members_, [](const auto& entry) { return entry.second.refused && !entry.second.dead; });
}

// In one go: one by one, a shell of theirs would go on behind its dead child.
void TreeEnd::kill_foreign() {
  std::vector<pid_t> foreign;
  for (const auto& [pid, member] : members_) {
    if (member.refused && !member.dead) foreign.push_back(pid);
  }
  if (foreign.empty() || !hooks_.kill_foreign || foreign == asked_to_kill_) return;
  asked_to_kill_ = foreign;
  hooks_.kill_foreign(foreign);
}

void TreeEnd::kill_all() {
  for (auto& [pid, member] : members_) {
    if (!member.dead) send(member, SIGKILL);
  }
}

bool TreeEnd::gate_is_read() const {
  if (plan_.gate < 0 || sys::poll_now(plan_.gate).broken) return false;
  // zfs-fuse reads for `zfs receive`, and goes on after that was killed. It takes no stream without
  // its end mark, so where the end was kept back from it, end-of-file does no harm, and without it
  // its data set stays busy for ever.
  return !(plan_.gate_holds && only_zfs_fuse_reads(plan_.gate));
}

// Among those that no watch tells about.
void TreeEnd::find_the_dead() {
  for (auto& [pid, member] : members_) {
    if (member.dead || member.watch) continue;
    try {
      const auto pidfd = open_process(pid, member.process.start_time);
      member.dead = !pidfd || sys::is_dead(pidfd->get());
    } catch (const Error&) {
      return;  // for the next time
    }
  }
}

void TreeEnd::look_whether_over() {
  if (over_) return;
  missed_ = false;
  find_the_dead();
  const bool all_dead =
      std::ranges::all_of(members_, [](const auto& entry) { return entry.second.dead; });
  if (all_dead) {
    // Somebody may have been forked between our last look and a death.
    const std::vector<Member*> fresh = look_again();
    const bool any = std::ranges::any_of(fresh, [](const Member* member) { return !member->dead; });
    if (any && !struck_) {
      for (Member* member : fresh) send(*member, SIGTERM);
    } else if (!any && !missed_ && !gate_is_read()) {
      over_ = true;
      check_timer_.clear();
      grace_timer_.clear();
      const auto ended = hooks_.ended;  // may destroy us
      ended();
      return;
    }
  }
  const bool any_unkilled = std::ranges::any_of(
      members_, [](const auto& entry) { return !entry.second.dead && !entry.second.killed; });
  if (struck_ && any_unkilled) finish_off();
  if (struck_ && std::chrono::steady_clock::now() - struck_at_ > kPatience) tell_who_is_left();
  const bool waits_for_foreign = struck_ && has_foreign();
  if (waits_for_foreign && !hooks_.kill_foreign) tell_who_is_left();
  check_timer_.set(waits_for_foreign ? kForeignCheckEvery : kCheckEvery);
}

void TreeEnd::tell_who_is_left() {
  if (told_) return;
  told_ = true;
  std::vector<const Member*> left;
  for (const auto& [pid, member] : members_) {
    // Ours stand still behind those that are not, and go once these are gone.
    if (!member.dead && (member.refused || !has_foreign())) left.push_back(&member);
  }
  if (missed_) {
    hooks_.stuck(0,
                 "descriptors or memory are too short to look at its processes; its input stays "
                 "shut");
    return;
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
