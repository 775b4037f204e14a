// Two snapshots seen as one scene: who sleeps in what, the same in both; who holds which end of
// which pipe; what moved. Everything that a rule may ask, and no rule.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "doctor/gate_text.h"
#include "procfs/snapshot.h"

namespace penstock::doctor {

using procfs::Process;
using procfs::ProcessId;

enum class WaitKind : uint8_t {
  awake,      // running, or it ran between the snapshots
  untold,     // asleep, and we are not told in what
  pipe_read,  // also splice and tee from a pipe, and a zfs that reads one within an ioctl
  pipe_write,
  fifo_open,  // open(2) of a FIFO whose other side is not there
  poll,       // poll, select, epoll: any of its descriptors
  futex,
  child,         // wait4, waitid
  lock,          // flock, fcntl
  terminal,      // read or write of a tty
  unix_socket,   // read, or a full peer
  network,       // TCP
  zfs,           // inside ZFS: cv_wait_common, txg_wait_synced, taskq_wait
  network_disk,  // NFS, FUSE
  disk,          // state D, anything else
  stopped,       // T
  traced,        // t
  frozen,
  asleep,  // nanosleep, pause, sigwait
  zombie,
  other,  // asleep in something that no rule knows
};
std::string_view name_of(WaitKind kind);

// What one thread waits for.
struct Wait {
  ProcessId process;
  pid_t tid = 0;
  WaitKind kind = WaitKind::awake;
  bool steady = false;    // the same call with the same arguments in both, and not run in between
  int fd = -1;            // the descriptor that it sleeps on, where known
  ino_t pipe = 0;         // and its pipe
  bool writes = false;    // unix_socket, terminal, network: it sends rather than receives
  bool by_table = false;  // fd and pipe were concluded from the table: the syscall is not told
  bool sure = true;       // false: by the table it could also be another pipe
  std::string function;   // wchan, for people; may be empty
  std::optional<double> idle_s;
};

struct Holder {
  const Process* process = nullptr;
  std::vector<int> fds;
};

class Scene {
 public:
  // Borrows both.
  Scene(const procfs::Snapshot& before, const procfs::Snapshot& now);

  const procfs::Snapshot& before() const { return before_; }
  const procfs::Snapshot& now() const { return now_; }
  double seconds_between() const { return now_.taken_s - before_.taken_s; }

  // Those that were looked at, in both, in the order of their pids. Whoever came or went between
  // the snapshots is not among them: that is movement.
  const std::vector<const Process*>& processes() const { return processes_; }
  const Process* find(const ProcessId& id) const;
  const Process* find(pid_t pid) const;
  const Process* find_before(const ProcessId& id) const;
  std::vector<const Process*> children(pid_t parent) const;
  bool is_ancestor(pid_t ancestor, pid_t descendant) const;

  // Every thread of every looked-at process.
  const std::vector<Wait>& waits() const { return waits_; }
  std::span<const Wait* const> waits_of(pid_t pid) const;
  // Steady waits of this kind, of the whole scene or on one pipe.
  std::vector<const Wait*> steady(WaitKind kind) const;
  std::vector<const Wait*> steady_on(WaitKind kind, ino_t pipe) const;

  // Whether anything it counts has moved: switches of any thread, io, file positions, processor
  // time. False also where nothing is told, so ask is_told() as well.
  bool moved(pid_t pid) const;
  // Whether what its threads wait for could be read at all.
  bool is_told(pid_t pid) const;
  // Bytes per second through its read and write calls between the snapshots; nothing if not told,
  // and nothing of whoever holds a gate: those relay by splice(2), and read of others' processes.
  struct Rate {
    double read = 0;
    double written = 0;
  };
  std::optional<Rate> rate(pid_t pid) const;

  // Pipes: what both snapshots say alike; nothing if they differ or were not told.
  // Holders are those of the second snapshot, as far as tables show them.
  const std::vector<Holder>& readers(ino_t pipe) const;
  const std::vector<Holder>& writers(ino_t pipe) const;
  // By the tables of the first snapshot: the second may have been taken while an end changed hands,
  // or while its holder was ending, whose table is gone a moment before the end is given up.
  bool had_reader(ino_t pipe) const;
  bool had_writer(ino_t pipe) const;
  const std::vector<ino_t>& pipes() const { return pipes_; }  // in their order
  std::optional<bool> writable(ino_t pipe) const;
  std::optional<bool> has_writer(ino_t pipe) const;
  std::optional<bool> has_reader(ino_t pipe) const;
  std::optional<bool> is_empty(ino_t pipe) const;
  const procfs::PipeFacts* facts(ino_t pipe) const;
  const procfs::PipeFacts* facts_before(ino_t pipe) const;
  // "full (by slots), 32784 of 65536 bytes"; "empty, 0 of 1048576 bytes"; "fill unknown (owner uid
  // 33)"
  std::string describe(ino_t pipe) const;

  // The gate whose write end this is; nothing if none advertises it.
  const GateText* gate(ino_t pipe) const;
  const std::vector<GateText>& gates() const { return gates_; }
  // Whether it is the processor or the keeper of a run.
  bool holds_gate(const ProcessId& process) const;

  // Processes whose descriptor table could not be read: a hidden holder may be among them.
  std::vector<ProcessId> unreadable() const;

 private:
  // Rules ask thousands of times: a snapshot's own maps are for its writers.
  using Processes = std::unordered_map<pid_t, const Process*>;
  using Pipes = std::unordered_map<ino_t, const procfs::PipeFacts*>;
  using Holders = std::unordered_map<ino_t, std::vector<Holder>>;

  const procfs::Snapshot& before_;
  const procfs::Snapshot& now_;
  Processes processes_before_;
  Processes processes_now_;
  Pipes pipes_before_;
  Pipes pipes_now_;
  std::vector<const Process*> processes_;
  std::vector<ino_t> pipes_;
  std::vector<Wait> waits_;
  std::vector<GateText> gates_;
  Holders readers_;
  Holders writers_;
  std::vector<const Process*> children_;                           // all, by their parents
  std::vector<const Wait*> wait_places_;                           // of each in waits_
  std::unordered_map<pid_t, std::pair<size_t, size_t>> waits_of_;  // from, and how many
  std::unordered_map<ino_t, std::vector<size_t>> steady_on_;       // the same, by pipe
  std::set<pid_t> moved_;

  void index_holders();
  void find_gates();
  void find_waits(const Process& process);
  void find_pipes();
};

// "gpg 4709"
std::string name_of(const Process& process);

}  // namespace penstock::doctor
