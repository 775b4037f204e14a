#include "doctor/unseen.h"

#include <algorithm>

#include "base/text.h"
#include "doctor/looking.h"

namespace penstock::doctor {

using procfs::Call;
using procfs::Descriptor;
using procfs::FileKind;
using procfs::SyscallState;

namespace {

// An agent that is asked for a key, or a worker that is asked for an answer, may take so long.
constexpr double kLongForAnAnswer = 5;

const SyscallState* call_of(const Process& process, pid_t tid) {
  const auto task = std::ranges::find(process.tasks, tid, &procfs::Task::tid);
  return task == process.tasks.end() || !task->syscall ? nullptr : &*task->syscall;
}

// One with a time limit ends by itself.
bool is_lock_without_limit(const Process& process, const Wait& wait) {
  if (wait.kind != WaitKind::futex) return false;
  constexpr size_t kTimeLimit = 3;
  const SyscallState* call = call_of(process, wait.tid);
  return call == nullptr || call->call != Call::futex || call->arguments.at(kTimeLimit) == 0;
}

bool may_be_shared(const Process& process, const Wait& wait) {
  constexpr uint64_t kPrivate = 128;
  const SyscallState* call = call_of(process, wait.tid);
  return call == nullptr || call->call != Call::futex || (call->arguments[1] & kPrivate) == 0;
}

// A service that waits for anybody at all is not connected.
bool is_connected(const Scene& scene, ino_t socket) {
  constexpr int kConnected = 3;
  const auto found = scene.now().unix_sockets.find(socket);
  return found != scene.now().unix_sockets.end() && found->second.state == kConnected;
}

// The socket that it sleeps on; 0: none whose other side would have to act.
ino_t awaited_socket(const Scene& scene, const Process& process, const Wait& wait) {
  if (wait.kind != WaitKind::unix_socket || !process.descriptors) return 0;
  for (const Descriptor& file : *process.descriptors) {
    if (file.kind != FileKind::socket || (wait.fd >= 0 && wait.fd != file.fd)) continue;
    if (is_connected(scene, file.inode)) return file.inode;
  }
  return 0;
}

bool is_told_stuck(const std::vector<Finding>& findings, const ProcessId& id) {
  return std::ranges::any_of(findings, [&](const Finding& finding) {
    if (finding.severity != Severity::stuck) return false;
    return finding.culprit == id ||
           std::ranges::find(finding.companions, id) != finding.companions.end() ||
           std::ranges::find(finding.victims, id) != finding.victims.end();
  });
}

std::string wait_for_lock(const Process& process, bool is_shared) {
  const size_t threads = process.tasks.size();
  const std::string who = threads == 1 ? "its only thread waits for a lock "
                                       : cat("all its ", threads, " threads wait for locks ");
  if (is_shared) return cat(who, "in memory that it may share with others; who has it is not told");
  return cat(who, "within the program; ",
             threads == 1 ? "nobody but a signal's handler could release it, and whether one will "
                            "is not told"
                          : "which of them should release one first is not told");
}

std::string wait_for_peer(const Wait& wait, ino_t socket) {
  return cat("waits ", wait.writes ? "for room in" : "for an answer on", " UNIX socket ", socket,
             ", and /proc does not tell who has the other end (ss -xp does)");
}

}  // namespace

std::optional<std::string> unseen_wait(const Scene& scene, const Process& process,
                                       const std::vector<Finding>& findings) {
  bool is_shared = false;
  ino_t socket = 0;
  const Wait* on_socket = nullptr;
  const auto waits = scene.waits_of(process.stat.pid);
  for (const Wait* wait : waits) {
    if (is_lock_without_limit(process, *wait)) {
      is_shared = is_shared || may_be_shared(process, *wait);
      continue;
    }
    socket = awaited_socket(scene, process, *wait);
    if (socket == 0) return std::nullopt;
    on_socket = wait;
  }
  if (waits.empty() || !is_at_rest(scene, process)) return std::nullopt;
  if (resting_for(scene, process).value_or(kLongForAnAnswer) < kLongForAnAnswer) {
    return std::nullopt;
  }
  if (is_told_stuck(findings, process.id())) return std::nullopt;
  return cat(
      name_of(process), ": ",
      on_socket != nullptr ? wait_for_peer(*on_socket, socket) : wait_for_lock(process, is_shared));
}

bool holds_up_all_others(const Scene& scene, const StrongEdges& edges, const Process& process) {
  const std::set<pid_t> pids = pipeline_of(scene, process);
  return pids.size() > 1 && std::ranges::all_of(pids, [&](pid_t pid) {
           const Process* other = scene.find(pid);
           return other->stat.pid == process.stat.pid ||
                  (is_at_rest(scene, *other) &&
                   edges.lead_only_to({node_of(process)}, node_of(*other)));
         });
}

}  // namespace penstock::doctor
