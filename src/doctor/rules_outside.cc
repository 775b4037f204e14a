// Chapter F of docs/diagnosis/rules.md: waits for something outside the pipeline.
#include <algorithm>

#include "base/text.h"
#include "doctor/looking.h"

namespace penstock::doctor {

namespace {

using procfs::Descriptor;
using procfs::FileKind;
using procfs::FileLock;
using procfs::TcpSocket;

constexpr double kTooLongForAGroup = 30;  // seconds; a transaction group takes a few
constexpr double kTooLongForAServer = 1;
constexpr double kTooLongForAPeer = 600;

bool has_word(const Process& process, std::initializer_list<std::string_view> words) {
  if (!process.arguments) return false;
  return std::ranges::any_of(*process.arguments, [&](const std::string& argument) {
    return std::ranges::find(words, argument) != words.end();
  });
}

bool is_zfs_at_work(const Scene& scene) {
  return std::ranges::any_of(scene.now().processes, [&](const auto& entry) {
    const Process& process = entry.second;
    const std::string& name = process.stat.comm;
    if (!name.starts_with("txg_sync") && !name.starts_with("z_wr_") && !name.starts_with("spa_")) {
      return false;
    }
    const Process* before = was(scene, process);
    return before == nullptr || before->cpu_ticks != process.cpu_ticks;
  });
}

void look_for_stuck_pools(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const Process* process : scene.processes()) {
    if (!is_program(*process, {"zfs", "zpool"}) || !is_at_rest(scene, *process)) continue;
    // Its sender's side is R36; the end of a receive takes its time (R47).
    if (has_word(*process, {"send"}) || is_in_commit_tail(scene, *process)) continue;
    const Wait* wait = steady_wait(scene, *process, {WaitKind::zfs, WaitKind::disk});
    if (wait == nullptr || is_zfs_at_work(scene)) continue;
    const std::optional<double> rest = resting_for(scene, *process);
    const bool too_long = rest.value_or(0) >= kTooLongForAGroup;
    Finding finding = finding_about(examination, rule, *process);
    finding.severity = too_long ? Severity::stuck : Severity::warning;
    finding.certainty = too_long ? Certainty::likely : Certainty::possible;
    finding.sentence =
        cat(name_of(*process),
            " waits inside ZFS, and nothing of ZFS moves: the pool may be suspended, "
            "or a transaction group does not end.");
    finding.evidence.push_back(cat(name_of(*process), " ", what_it_does(scene, *process)));
    finding.evidence.emplace_back("no thread of ZFS used the processor between the snapshots");
    finding.remedies.push_back(by_hand(*process,
                                       "timeout 10 zpool status -x; then zpool clear POOL",
                                       "none: the job waits for the pool; no signal helps"));
    examination.findings.push_back(std::move(finding));
  }
}

// Who does not read, or what he waits for in turn.
const Process* reader_to_blame(const Examination& examination, ino_t pipe, const Process& sender) {
  const Scene& scene = examination.scene;
  for (const Holder& holder : scene.readers(pipe)) {
    if (holder.process->id() == sender.id() || !holder.process->looked_at) continue;
    if (scene.moved(holder.process->stat.pid)) return nullptr;
    const Node root = root_of(examination.graph, node_of(*holder.process));
    const Process* process = scene.find(root.process);
    return process == nullptr || process->id() == sender.id() ? holder.process : process;
  }
  return nullptr;
}

void look_for_unread_senders(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const Process* process : scene.processes()) {
    if (!is_program(*process, {"zfs"}) || !is_at_rest(scene, *process)) continue;
    if (steady_wait(scene, *process, {WaitKind::zfs, WaitKind::disk}) == nullptr) continue;
    const ino_t pipe = pipe_at(*process, 1);
    if (pipe == 0 || scene.writable(pipe) != false || scene.has_reader(pipe) == false) continue;
    const Process* reader = reader_to_blame(examination, pipe, *process);
    if (reader == nullptr) continue;
    Finding finding = finding_about(examination, rule, *reader);
    add_victim(finding, *process);
    finding.pipe = pipe;
    // Whoever named the reader has told the story; this is then about how zfs looks.
    finding.severity = examination.explained(reader->id()) ? Severity::info : Severity::stuck;
    finding.certainty = Certainty::likely;
    finding.sentence = cat(name_of(*process), " looks dead, but only waits for its reader: pipe ",
                           pipe, " is ", scene.describe(pipe), ", and ", name_of(*reader), " ",
                           what_it_does(scene, *reader), ".");
    finding.evidence.push_back(cat(name_of(*process), " ", what_it_does(scene, *process)));
    finding.evidence.push_back(cat("POLLOUT is not set on pipe ", pipe));
    finding.remedies.push_back(end_holder(
        *reader, "the send ends as soon as nobody can read; a signal to zfs may not reach it"));
    examination.findings.push_back(std::move(finding));
  }
}

const TcpSocket* socket_in(const procfs::Snapshot& snapshot, ino_t inode) {
  const auto it = snapshot.tcp.find(inode);
  return it == snapshot.tcp.end() ? nullptr : &it->second;
}

// What is wrong with a connection, and how sure that is.
struct PeerTrouble {
  Certainty certainty = Certainty::possible;
  Severity severity = Severity::warning;
  std::string sentence;
};

std::optional<PeerTrouble> trouble_with(const TcpSocket& before, const TcpSocket& now,
                                        double resting) {
  constexpr int kRetransmission = 1;
  constexpr int kZeroWindow = 4;
  const bool nothing_went = now.send_queue > 0 && now.send_queue >= before.send_queue;
  if (nothing_went && now.timer == kRetransmission && now.retransmits >= 3 &&
      before.retransmits >= 2 && now.retransmits >= before.retransmits) {
    return PeerTrouble{.certainty = now.retransmits >= 5 ? Certainty::likely : Certainty::possible,
                       .severity = Severity::stuck,
                       .sentence = cat("does not acknowledge: ", now.send_queue,
                                       " bytes were sent again ", now.retransmits, " times")};
  }
  // The column of probes counts those without an answer: a peer that lives keeps it at 0.
  if (nothing_went && now.timer == kZeroWindow && before.timer == kZeroWindow) {
    return PeerTrouble{.certainty = Certainty::possible,
                       .severity = Severity::stuck,
                       .sentence =
                           "answers, but does not take any more: look there, its reader is "
                           "stuck"};
  }
  if (now.send_queue == 0 && now.receive_queue == 0 && resting >= kTooLongForAPeer) {
    return PeerTrouble{.sentence = cat("has sent nothing for ", static_cast<uint64_t>(resting / 60),
                                       " minutes, and may be gone without a word")};
  }
  return std::nullopt;
}

void look_for_lost_peers(Examination& examination, const RuleInfo& rule) {
  constexpr int kEstablished = 1;
  const Scene& scene = examination.scene;
  for (const Process* process : scene.processes()) {
    if (!process->descriptors || !is_at_rest(scene, *process)) continue;
    if (steady_wait(scene, *process, {WaitKind::network, WaitKind::poll}) == nullptr) continue;
    // A service that waits for customers is no pipeline.
    if (!is_stage(scene, *process)) continue;
    for (const Descriptor& file : *process->descriptors) {
      if (file.kind != FileKind::socket) continue;
      const TcpSocket* before = socket_in(scene.before(), file.inode);
      const TcpSocket* now = socket_in(scene.now(), file.inode);
      if (before == nullptr || now == nullptr || now->state != kEstablished) continue;
      const std::optional<PeerTrouble> trouble =
          trouble_with(*before, *now, resting_for(scene, *process).value_or(0));
      if (!trouble) continue;
      Finding finding = finding_about(examination, rule, *process);
      finding.severity = trouble->severity;
      finding.certainty = trouble->certainty;
      finding.sentence =
          cat(name_of(*process), " waits for ", now->remote, ", which ", trouble->sentence, ".");
      finding.evidence.push_back(cat("TCP ", now->local, " to ", now->remote, ": ", now->send_queue,
                                     " bytes to be acknowledged, timer ", now->timer, ", ",
                                     now->retransmits, " retransmissions, ", now->probes,
                                     " probes"));
      finding.evidence.push_back(cat(name_of(*process), " ", what_it_does(scene, *process)));
      finding.remedies.push_back(
          end_holder(*process, "the transfer fails; tidy up the far side too (R50)"));
      examination.findings.push_back(std::move(finding));
      break;
    }
  }
}

void look_for_stuck_servers(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const Process* process : scene.processes()) {
    const Wait* wait = steady_wait(scene, *process, {WaitKind::network_disk});
    if (wait == nullptr || wait->idle_s.value_or(scene.seconds_between()) < kTooLongForAServer) {
      continue;
    }
    const bool is_fuse = wait->function.find("fuse") != std::string::npos ||
                         wait->function.find("request_wait") != std::string::npos;
    Finding finding = finding_about(examination, rule, *process);
    finding.since_s = wait->idle_s;
    finding.severity = Severity::stuck;
    finding.certainty = Certainty::certain;
    finding.sentence = cat(name_of(*process), " waits for ",
                           is_fuse ? "the program behind a FUSE file system" : "an NFS server",
                           " to answer, and it does not.");
    finding.evidence.push_back(cat("state ", process->stat.state, ", sleeps in ", wait->function));
    if (is_fuse) {
      finding.remedies.push_back(
          by_hand(*process, "echo 1 > /sys/fs/fuse/connections/N/abort",
                  "every file open there fails; N is the minor number of the mount's device"));
    } else {
      finding.remedies.push_back(by_hand(*process, "bring the server back", "none"));
    }
    examination.findings.push_back(std::move(finding));
  }
}

const Process* logger_behind(const Scene& scene, const Process& stage, const Wait& wait) {
  if (wait.kind == WaitKind::pipe_write) {
    for (const Holder& holder : scene.readers(wait.pipe)) {
      if (keeps_logs(*holder.process)) return holder.process;
    }
    return nullptr;
  }
  // Who holds the other end of a UNIX socket the kernel does not tell.
  for (const auto& [pid, process] : scene.now().processes) {
    if (process.stat.comm.starts_with("systemd-journal")) return &process;
  }
  return &stage;
}

// The process to name, and where the words would have gone; nothing if this is no log.
std::optional<std::pair<const Process*, std::string>> log_sink(const Scene& scene,
                                                               const Process& stage,
                                                               const Wait& wait) {
  if (wait.fd != 1 && wait.fd != 2) return std::nullopt;
  switch (wait.kind) {
    case WaitKind::pipe_write: {
      const Process* logger = logger_behind(scene, stage, wait);
      if (logger == nullptr || scene.writable(wait.pipe) != false) return std::nullopt;
      return std::pair(logger, cat("pipe ", wait.pipe, ", which ", name_of(*logger), " reads"));
    }
    case WaitKind::unix_socket:
      if (!wait.writes) return std::nullopt;
      return std::pair(logger_behind(scene, stage, wait),
                       std::string("a UNIX socket (a journal?)"));
    case WaitKind::terminal:
      if (!wait.writes) return std::nullopt;
      return std::pair(&stage, std::string("its terminal, which takes nothing (Ctrl-S?)"));
    default:
      return std::nullopt;
  }
}

void look_for_full_logs(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const Wait& wait : scene.waits()) {
    const Process* stage = scene.find(wait.process);
    if (!wait.steady || stage == nullptr) continue;
    const auto sink = log_sink(scene, *stage, wait);
    if (!sink) continue;
    const auto& [culprit, where] = *sink;
    Finding finding = finding_about(examination, rule, *culprit);
    if (culprit != stage) add_victim(finding, *stage);
    if (wait.pipe != 0) finding.pipe = wait.pipe;
    finding.since_s = wait.idle_s;
    finding.severity = Severity::stuck;
    finding.certainty = Certainty::certain;
    finding.sentence = cat(name_of(*stage), " cannot get rid of what it prints on descriptor ",
                           wait.fd, ": it writes to ", where, ".");
    finding.evidence.push_back(cat(name_of(*stage), " ", what_it_does(scene, *stage)));
    finding.remedies.push_back(wait.kind == WaitKind::terminal
                                   ? by_hand(*stage, "press Ctrl-Q in that terminal", "none")
                                   : by_hand(*culprit, cat("look at ", name_of(*culprit)), "none"));
    examination.findings.push_back(std::move(finding));
  }
}

bool is_same_file(const FileLock& one, const FileLock& other) {
  return one.inode == other.inode && one.major == other.major && one.minor == other.minor;
}

bool waits_in(const procfs::Snapshot& snapshot, const FileLock& row) {
  return std::ranges::any_of(snapshot.locks, [&](const FileLock& other) {
    return other.waits && other.pid == row.pid && is_same_file(row, other);
  });
}

// Whoever else has the file open that `waiter` wants to lock, and does not wait for it as well.
// `locked` says of a descriptor that a lock is held through its description.
struct Opener {
  const Process* process = nullptr;
  bool locked = false;
};

std::vector<Opener> other_openers(const Scene& scene, const Process& waiter) {
  std::vector<Opener> openers;
  const Wait* wait = steady_wait(scene, waiter, {WaitKind::lock});
  const Descriptor* wanted = wait == nullptr ? nullptr : descriptor_of(waiter, wait->fd);
  if (wanted == nullptr) return openers;
  for (const auto& [pid, process] : scene.now().processes) {
    if (pid == waiter.stat.pid || !process.descriptors) continue;
    if (steady_wait(scene, process, {WaitKind::lock}) != nullptr) continue;
    Opener opener;
    for (const Descriptor& file : *process.descriptors) {
      if (file.kind != FileKind::path || file.target != wanted->target) continue;
      opener = {.process = &process, .locked = opener.locked || file.locked};
    }
    if (opener.process != nullptr) openers.push_back(opener);
  }
  return openers;
}

// Those through whose descriptors the lock is held, the eldest first: children share what they
// inherit.
std::vector<const Process*> lock_holders(const Scene& scene, const Process& waiter) {
  std::vector<const Process*> holders;
  for (const Opener& opener : other_openers(scene, waiter)) {
    if (opener.locked) holders.push_back(opener.process);
  }
  std::ranges::sort(holders, {}, [](const Process* each) {
    return std::pair(each->stat.start_time, each->stat.pid);
  });
  return holders;
}

// The taker of a lock may be gone while a child of his still has the description, or may have
// closed it himself (R12 for locks). Where nobody is told to hold it, it is the only one who has
// the file open.
const Process* lock_owner(const Scene& scene, const FileLock& row, const Process& waiter) {
  const std::vector<const Process*> holders = lock_holders(scene, waiter);
  for (const FileLock& lock : scene.now().locks) {
    if (lock.waits || lock.number != row.number || !is_same_file(lock, row)) continue;
    const Process* owner = lock.pid > 0 ? scene.find(lock.pid) : nullptr;
    if (owner == nullptr || owner->id() == waiter.id()) continue;
    const bool is_handed_on = owner->descriptors && !holders.empty() &&
                              std::ranges::find(holders, owner) == holders.end();
    if (!is_handed_on) return owner;
  }
  if (!holders.empty()) return holders.front();
  const std::vector<Opener> openers = other_openers(scene, waiter);
  return openers.size() == 1 ? openers.front().process : nullptr;
}

// As long as a child has the description, ending its parent frees nothing: the innermost first.
const Process& last_holder(const Scene& scene, const Process& owner, const Process& waiter) {
  const Process* last = &owner;
  for (const Process* holder : lock_holders(scene, waiter)) {
    if (scene.is_ancestor(last->stat.pid, holder->stat.pid)) last = holder;
  }
  return *last;
}

void offer_to_free_lock(Finding& finding, const Scene& scene, const Process& owner,
                        const Process& waiter) {
  const Process& last = last_holder(scene, owner, waiter);
  finding.remedies.push_back(by_hand(owner, cat("wait for ", name_of(owner)), "none, if it works"));
  if (&last == &owner) {
    finding.remedies.push_back(end_holder(owner, "its work is cut off"));
    return;
  }
  finding.evidence.push_back(cat(name_of(last), " has the lock from ", name_of(owner)));
  finding.remedies.push_back(end_holder(
      last, cat("its work is cut off; ending ", name_of(owner), " alone does not free the lock")));
}

// It, or what it has started and perhaps left the lock to (`flock FILE COMMAND`), does something;
// or that cannot be told.
bool may_go_on(const Scene& scene, const Process& owner) {
  return std::ranges::any_of(scene.now().processes, [&](const auto& entry) {
    const Process& one = entry.second;
    if (one.stat.pid == owner.stat.pid) return scene.moved(one.stat.pid);
    if (one.is_zombie() || !scene.is_ancestor(owner.stat.pid, one.stat.pid)) return false;
    return !one.looked_at || was(scene, one) == nullptr || scene.moved(one.stat.pid);
  });
}

void look_for_locks(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const FileLock& row : scene.now().locks) {
    if (!row.waits || row.pid <= 0 || !waits_in(scene.before(), row)) continue;
    const Process* waiter = scene.find(row.pid);
    if (waiter == nullptr || !waiter->looked_at || was(scene, *waiter) == nullptr) continue;
    if (scene.moved(row.pid)) continue;
    const Process* owner = lock_owner(scene, row, *waiter);
    const Wait* wait = steady_wait(scene, *waiter, {WaitKind::lock});
    const Descriptor* file = wait == nullptr ? nullptr : descriptor_of(*waiter, wait->fd);
    const std::string what = file == nullptr
                                 ? cat("file ", row.major, ":", row.minor, ":", row.inode)
                                 : printable(file->target);
    Finding finding = finding_about(examination, rule, owner == nullptr ? *waiter : *owner);
    if (owner != nullptr) add_victim(finding, *waiter);
    // A lock held by somebody who works is a queue, not a knot.
    const bool goes_on = owner != nullptr && may_go_on(scene, *owner);
    finding.severity = goes_on ? Severity::warning : Severity::stuck;
    finding.certainty = Certainty::certain;
    finding.since_s = resting_for(scene, *waiter);
    finding.sentence = owner == nullptr
                           ? cat(name_of(*waiter), " waits for a lock on ", what,
                                 ", held through a descriptor whose holder is not told.")
                           : cat(name_of(*waiter), " waits for a lock on ", what, " that ",
                                 name_of(*owner), " holds; it ", what_it_does(scene, *owner), ".");
    finding.evidence.push_back(cat("/proc/locks: ", row.kind, " on ", row.major, ":", row.minor,
                                   ":", row.inode, ", ", row.pid, " waits"));
    if (owner != nullptr) offer_to_free_lock(finding, scene, *owner, *waiter);
    examination.findings.push_back(std::move(finding));
  }
}

constexpr Rule kRules[] = {
    {{.id = "R35",
      .name = "pool suspended or transaction group stuck",
      .signature = "zfs sleeps inside ZFS or uninterruptibly in both snapshots, its input has not "
                   "ended, and no thread of ZFS uses the processor; likely after 30 seconds.",
      .sentence =
          "The pool has lost a device and is suspended, or a transaction group does not end.",
      .advice = "Ask zpool status (with a time limit: it may hang as well), mend the pool, zpool "
                "clear. No signal helps; keep the job.",
      .reference = "openzfs/zfs#1857, openzfs/zfs#6138, openzfs/zfs#5790, openzfs/zfs#11547"},
     look_for_stuck_pools},
    {{.id = "R36",
      .name = "zfs send that only waits for its reader",
      .signature = "zfs sleeps in state D or inside ZFS, the pipe at its standard output is full "
                   "(POLLOUT unset), and whoever should read does not.",
      .sentence =
          "A worker of ZFS does the writing, so the command looks dead. It is a victim: look "
          "downstream.",
      .advice =
          "Free the reader. To end the send, end the reader: a signal to zfs may not reach the "
          "thread that writes.",
      .reference = "openzfs/zfs#3676, zrepl/zrepl#495, openzfs/zfs#12500, openzfs/zfs#2823"},
     look_for_unread_senders},
    {{.id = "R37",
      .name = "peer gone without a word",
      .signature = "A stage waits on a TCP connection on which bytes are sent again and again, or "
                   "whose peer takes nothing, or which has been silent for 10 minutes.",
      .sentence = "The other machine, or the way to it, is gone; nobody has told this end.",
      .advice = "End that ssh, and look at the far side (R50). Set ServerAliveInterval=15, "
                "ServerAliveCountMax=4, ConnectTimeout, BatchMode.",
      .reference = "alunduil/zfs-replicate#604, openzfs/zfs#3676, berrym/btrfs-backup-ng#37"},
     look_for_lost_peers},
    {{.id = "R38",
      .name = "network or user-space file system stuck",
      .signature =
          "A stage sleeps in a call to NFS or FUSE in both snapshots, for a second at least.",
      .sentence = "The file server, or the program behind the mount, does not answer.",
      .advice = "Mend the server. A FUSE mount can be aborted in /sys/fs/fuse/connections.",
      .reference =
          "microsoft/pai#2117, hanwen/go-fuse#261, libfuse/libfuse#509, lsof-org/lsof#181"},
     look_for_stuck_servers},
    {{.id = "R39",
      .name = "log sink blocks the stage",
      .signature =
          "A stage sleeps in a write to descriptor 1 or 2 that leads to a journal's socket, a "
          "container's log driver, or a terminal.",
      .sentence =
          "Nobody takes what it prints: the log is behind, or the terminal was stopped with "
          "Ctrl-S.",
      .advice = "Look at the logger; press Ctrl-Q. Give stages a file, or a pipe that is always "
                "drained, for their messages.",
      .reference = "moby/moby#22502, moby/moby#31540, systemd/systemd#16456, microsoft/WSL#41128"},
     look_for_full_logs},
    {{.id = "R40",
      .name = "waits for a lock",
      .signature =
          "/proc/locks shows the process as a waiter in both snapshots, and it has not moved.",
      .sentence = "Another process holds the lock. If that one works, this is a queue and only a "
                  "warning.",
      .advice =
          "Look at the owner. Locks go with their process; a lock file without a lock is none. A "
          "lock that outlives its taker is held by a child of his.",
      .reference = "jimsalterjrs/sanoid#468, jimsalterjrs/sanoid#570, restic/restic#1959"},
     look_for_locks},
};

}  // namespace

std::span<const Rule> outside_rules() {
  return kRules;
}

}  // namespace penstock::doctor
