// Chapter E of docs/diagnosis/rules.md: a stage that is not running, and so explains everything
// upstream of it.
#include <algorithm>
#include <csignal>
#include <map>

#include "base/text.h"
#include "doctor/looking.h"

namespace penstock::doctor {

namespace {

using procfs::Call;
using procfs::Descriptor;
using procfs::Task;

constexpr uint64_t bit(int signal) {
  return uint64_t{1} << static_cast<unsigned>(signal - 1);
}

using Stopped = std::vector<const Process*>;

// By process group: Ctrl-Z and the terminal stop a whole job at once.
std::vector<Stopped> stopped_jobs(const Scene& scene) {
  std::vector<Stopped> jobs;
  std::map<pid_t, size_t> places;
  for (const Process* process : scene.processes()) {
    const Wait* wait = steady_wait(scene, *process, {WaitKind::stopped});
    if (wait == nullptr || process->stat.state != 'T') continue;
    const auto [place, is_new] = places.try_emplace(process->stat.group, jobs.size());
    if (is_new) jobs.emplace_back();
    jobs[place->second].push_back(process);
  }
  return jobs;
}

// "a 1 is stopped.", "The stages a 1, b 2 and c 3 are stopped, as one job."
std::string stopped_sentence(const Stopped& job) {
  constexpr size_t kNamed = 6;
  if (job.size() == 1) return cat(name_of(*job.front()), " is stopped.");
  std::string names;
  for (size_t i = 0; i < std::min(job.size(), kNamed); ++i) {
    const bool is_last = i + 1 == job.size();
    names += cat(i == 0 ? "" : is_last ? " and " : ", ", name_of(*job[i]));
  }
  if (job.size() > kNamed) names += cat(" and ", job.size() - kNamed, " more");
  return cat(names, " are stopped, as one job.");
}

// The job's leader, where it is one of them.
const Process& leader_of(const Stopped& job) {
  const auto leader = std::ranges::find_if(
      job, [](const Process* each) { return each->stat.pid == each->stat.group; });
  return leader == job.end() ? *job.front() : **leader;
}

// Who waits for any of them, and is none of them.
std::vector<ProcessId> victims_of(const Examination& examination, const Stopped& job) {
  std::vector<ProcessId> victims;
  for (const Process* each : job) {
    for (const ProcessId& id : examination.graph.victims_of(node_of(*each))) {
      const bool is_known = std::ranges::find(victims, id) != victims.end() ||
                            std::ranges::find(job, id, &Process::id) != job.end();
      if (!is_known) victims.push_back(id);
    }
  }
  return victims;
}

void look_for_stopped(Examination& examination, const RuleInfo& rule) {
  for (const Stopped& job : stopped_jobs(examination.scene)) {
    const Process& culprit = leader_of(job);
    Finding finding = finding_about(examination, rule, culprit);
    finding.victims = victims_of(examination, job);
    finding.severity = Severity::warning;
    finding.certainty = Certainty::certain;
    finding.sentence = stopped_sentence(job);
    std::string command = "kill -CONT";
    for (const Process* each : job) {
      if (each != &culprit) finding.companions.push_back(each->id());
      finding.severity = std::min(finding.severity, weight_of(examination, *each));
      finding.evidence.push_back(cat(name_of(*each), ": state T in both snapshots"));
      command += cat(" ", each->stat.pid);
    }
    const bool in_background = culprit.tty != 0 && culprit.foreground_group > 0 &&
                               culprit.stat.group != culprit.foreground_group;
    if (in_background) {
      finding.sentence +=
          " In the background of a terminal that is the work of Ctrl-Z, or of a read from the "
          "terminal (SIGTTIN): after that it stops again at once.";
      finding.evidence.push_back(cat("process group ", culprit.stat.group,
                                     ", the terminal's foreground is ", culprit.foreground_group));
    }
    finding.remedies.push_back(
        by_hand(culprit, std::move(command), "whoever stopped it may have had a reason"));
    examination.findings.push_back(std::move(finding));
  }
}

const procfs::CgroupFacts* cgroup_of(const procfs::Snapshot& snapshot, const Process& process) {
  if (!process.cgroup) return nullptr;
  const auto it = snapshot.cgroups.find(*process.cgroup);
  return it == snapshot.cgroups.end() ? nullptr : &it->second;
}

void look_for_frozen(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const Process* process : scene.processes()) {
    const procfs::CgroupFacts* now = cgroup_of(scene.now(), *process);
    const procfs::CgroupFacts* before = cgroup_of(scene.before(), *was(scene, *process));
    if (now == nullptr || before == nullptr || !now->frozen || !before->frozen) continue;
    if (scene.moved(process->stat.pid)) continue;
    const std::string& where = now->frozen_at.empty() ? *process->cgroup : now->frozen_at;
    Finding finding = finding_about(examination, rule, *process);
    finding.severity = weight_of(examination, *process);
    finding.certainty = Certainty::certain;
    finding.sentence =
        cat(name_of(*process), " is frozen with its whole control group ", printable(where), ".");
    finding.evidence.push_back(cat("frozen: ", printable(where)));
    const std::string thaw =
        now->by_freezer
            ? cat("echo THAWED > ",
                  shell_quote(cat("/sys/fs/cgroup/freezer", where, "/freezer.state")))
            : cat("echo 0 > ", shell_quote(cat("/sys/fs/cgroup", where, "/cgroup.freeze")));
    finding.remedies.push_back(
        by_hand(*process, thaw, "better by whoever froze it: docker unpause, systemctl thaw"));
    examination.findings.push_back(std::move(finding));
  }
}

void look_for_traced(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const Process* process : scene.processes()) {
    if (process->tracer == 0 || was(scene, *process)->tracer != process->tracer) continue;
    const Process* tracer = scene.find(process->tracer);
    const bool halted = steady_wait(scene, *process, {WaitKind::traced}) != nullptr;
    const std::string by = tracer != nullptr ? name_of(*tracer) : cat("process ", process->tracer);
    Finding finding = finding_about(examination, rule, tracer != nullptr ? *tracer : *process);
    if (tracer != nullptr) add_victim(finding, *process);
    finding.severity = halted ? Severity::stuck : Severity::warning;
    finding.certainty = Certainty::certain;
    finding.sentence = halted ? cat(name_of(*process), " is held by its tracer, ", by, ".")
                              : cat(name_of(*process), " is traced by ", by,
                                    ": that changes its timing, and may hide what you look for.");
    finding.evidence.push_back(cat("TracerPid: ", process->tracer));
    finding.remedies.push_back(by_hand(
        tracer != nullptr ? *tracer : *process, cat("detach ", by, " from ", process->stat.pid),
        "zfs and btrfs lose their stream when a tracer comes or goes"));
    examination.findings.push_back(std::move(finding));
  }
}

bool is_pinentry(const Process& process) {
  return process.stat.comm.starts_with("pinentry") || process.stat.comm.starts_with("ssh-askpass");
}

// Somebody at a pager or an editor knows that it is he who is waited for.
bool is_for_reading(const Process& process) {
  return is_program(process, {"less", "more", "most", "man", "pg", "fzf", "vi", "vim", "nvim",
                              "nano", "emacs", "view", "dialog", "whiptail"});
}

// A shell at its prompt reads the terminal too, and nobody waits at a pipe for it.
bool holds_up_a_pipe(const Examination& examination, const Process& process) {
  const std::vector<const Edge*> edges = examination.graph.to(node_of(process));
  return std::ranges::any_of(edges, [](const Edge* edge) {
    return edge->kind == EdgeKind::pipe_full || edge->kind == EdgeKind::pipe_empty ||
           edge->kind == EdgeKind::gate;
  });
}

void add_prompt(Examination& examination, const RuleInfo& rule, const Process& asker,
                const std::string& where) {
  Finding finding = finding_about(examination, rule, asker);
  finding.severity = is_for_reading(asker) ? Severity::info : Severity::stuck;
  finding.certainty = Certainty::likely;
  finding.sentence = cat(name_of(asker), " waits for a person", where, ".");
  finding.evidence.push_back(cat(name_of(asker), " ", what_it_does(examination.scene, asker)));
  finding.remedies.push_back(by_hand(asker, "answer it, or press Ctrl-C there", "none"));
  examination.findings.push_back(std::move(finding));
}

// gpg asks its agent over a socket, the agent starts a pinentry: the graph cannot see that way.
void look_for_pinentry(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  const Process* client = nullptr;
  for (const Wait* wait : scene.steady(WaitKind::unix_socket)) {
    const Process* process = scene.find(wait->process);
    if (wait->writes || process == nullptr) continue;
    if (is_program(*process, {"gpg", "gpg2", "gpgsm", "ssh", "ssh-add"})) client = process;
  }
  if (client == nullptr) return;
  for (const auto& [pid, process] : scene.now().processes) {
    if (!is_pinentry(process) || was(scene, process) == nullptr) continue;
    add_prompt(examination, rule, process, cat(", for ", name_of(*client)));
    Finding& finding = examination.findings.back();
    finding.victims = examination.graph.victims_of(node_of(*client));
    add_victim(finding, *client);
    finding.evidence.push_back(cat(name_of(*client), " ", what_it_does(scene, *client)));
    return;
  }
}

void look_for_prompts(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const Process* process : scene.processes()) {
    const Wait* wait = steady_wait(scene, *process, {WaitKind::terminal});
    if (wait == nullptr || wait->writes || !is_at_rest(scene, *process)) continue;
    if (!holds_up_a_pipe(examination, *process) && !is_pinentry(*process)) continue;
    const Descriptor* tty = descriptor_of(*process, wait->fd);
    add_prompt(examination, rule, *process,
               tty == nullptr ? " at its terminal" : cat(" at ", printable(tty->target)));
  }
  look_for_pinentry(examination, rule);
}

// A sleep that only another thread of the same memory could end; with one thread, nobody can.
bool sleeps_on_private_futex(const Task& task) {
  constexpr uint64_t kPrivate = 128;
  return task.syscall && task.syscall->call == Call::futex && !task.syscall->running &&
         (task.syscall->arguments[1] & kPrivate) != 0 && task.syscall->arguments[3] == 0;
}

void look_for_stuck_forks(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const Process* child : scene.processes()) {
    const Process* parent = scene.find(child->stat.parent);
    if (parent == nullptr || parent->tasks.size() < 2 || child->tasks.size() != 1) continue;
    if (!child->exe || child->exe != parent->exe || child->arguments != parent->arguments) continue;
    if (steady_wait(scene, *child, {WaitKind::futex}) == nullptr) continue;
    if (!is_at_rest(scene, *child) || !sleeps_on_private_futex(child->tasks.front())) continue;
    const Wait* waits = steady_wait(scene, *parent, {WaitKind::pipe_read, WaitKind::child});
    if (waits == nullptr) continue;
    Finding finding = finding_about(examination, rule, *child);
    if (finding.victims.empty()) add_victim(finding, *parent);
    finding.severity = Severity::stuck;
    finding.certainty = Certainty::likely;
    finding.sentence =
        cat(name_of(*child), " never became another program: it is a copy of ", name_of(*parent),
            " and sleeps on a lock that a thread of its parent "
            "held when it was forked. Nobody can release it.");
    finding.evidence.push_back(cat("same executable and arguments as ", name_of(*parent),
                                   "; one thread against ", parent->tasks.size()));
    finding.evidence.push_back(cat(name_of(*child), " ", what_it_does(scene, *child)));
    finding.remedies.push_back(end_holder(*child, "its parent is told that the start has failed"));
    examination.findings.push_back(std::move(finding));
  }
}

void look_for_lonely_fifos(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const Process* process : scene.processes()) {
    const Wait* wait = steady_wait(scene, *process, {WaitKind::fifo_open});
    if (wait == nullptr) continue;
    const auto task = std::ranges::find(process->tasks, wait->tid, &Task::tid);
    const bool named = task != process->tasks.end() && task->opening;
    const std::string path = named ? cat(" ", printable(*task->opening)) : "";
    Finding finding = finding_about(examination, rule, *process);
    finding.severity = Severity::stuck;
    finding.certainty = Certainty::certain;
    finding.sentence = cat(name_of(*process), " opens the FIFO", path,
                           " and waits for somebody to open its other side; nobody has.");
    finding.evidence.push_back(cat(name_of(*process), " ", what_it_does(scene, *process)));
    finding.remedies.push_back(by_hand(*process, "start whoever should open the other side",
                                       "none, if the FIFO still has its name"));
    finding.remedies.push_back(end_holder(*process, "what it was to do is not done"));
    examination.findings.push_back(std::move(finding));
  }
}

// Somebody who will hear of it: he waits, catches the signal, or takes it from a descriptor.
bool will_reap(const Scene& scene, const Process& parent) {
  constexpr uint64_t kChild = bit(SIGCHLD);
  if (scene.moved(parent.stat.pid) || !scene.is_told(parent.stat.pid)) return true;
  if (((parent.signals_caught | parent.signals_blocked) & kChild) != 0) return true;
  if (parent.descriptors && std::ranges::any_of(*parent.descriptors, [](const Descriptor& file) {
        return file.target == "anon_inode:[pidfd]" || file.target.starts_with("pidfd:") ||
               file.target == "anon_inode:[signalfd]";
      })) {
    return true;
  }
  // Stopped, frozen or held: that is the news, not the child.
  return steady_wait(scene, parent,
                     {WaitKind::child, WaitKind::stopped, WaitKind::traced, WaitKind::frozen}) !=
         nullptr;
}

void look_for_zombies(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const Process* parent : scene.processes()) {
    std::vector<const Process*> dead;
    for (const Process* child : scene.children(parent->stat.pid)) {
      const Process* before = was(scene, *child);
      if (child->is_zombie() && before != nullptr && before->is_zombie()) dead.push_back(child);
    }
    if (dead.empty() || will_reap(scene, *parent)) continue;
    Finding finding = finding_about(examination, rule, *parent);
    finding.victims.clear();
    finding.severity = Severity::warning;
    finding.certainty = Certainty::certain;
    finding.sentence =
        cat(name_of(*dead.front()), dead.size() > 1 ? " and others have" : " has", " ended, and ",
            name_of(*parent),
            " does not fetch how. The dead hold no descriptors, so no pipe waits for "
            "them.");
    for (const Process* child : dead) finding.evidence.push_back(cat(name_of(*child), ": state Z"));
    finding.evidence.push_back(cat(name_of(*parent), " ", what_it_does(scene, *parent)));
    examination.findings.push_back(std::move(finding));
  }
}

// The signal that was sent to end it, still not delivered; 0: none.
int undelivered_end(const Scene& scene, const Process& process) {
  const uint64_t pending = process.signals_pending & was(scene, process)->signals_pending;
  for (const int signal : {SIGKILL, SIGTERM, SIGINT, SIGHUP, SIGQUIT}) {
    if ((pending & bit(signal)) != 0) return signal;
  }
  return 0;
}

void look_for_unkillable(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const Process* process : scene.processes()) {
    const int signal = undelivered_end(scene, *process);
    if (signal == 0 || process->is_zombie()) continue;
    const bool blocked = (process->signals_blocked & bit(signal)) != 0;
    const bool in_kernel = process->stat.state == 'D';
    const bool halted =
        steady_wait(scene, *process, {WaitKind::stopped, WaitKind::traced, WaitKind::frozen}) !=
        nullptr;
    if (!blocked && !in_kernel && !halted) continue;
    Finding finding = finding_about(examination, rule, *process);
    finding.severity =
        scene.moved(process->stat.pid) ? Severity::warning : weight_of(examination, *process);
    finding.certainty = Certainty::certain;
    finding.sentence =
        cat(name_of(*process), " was told to end (signal ", signal, ") and has not: ",
            in_kernel ? "it sleeps in the kernel, where no signal reaches it."
            : halted  ? "it is halted, and signals wait until it goes on."
                      : "it keeps that signal blocked.");
    finding.evidence.push_back(cat("signal ", signal, " pending in both snapshots"));
    finding.evidence.push_back(cat(name_of(*process), " ", what_it_does(scene, *process)));
    if (blocked && !in_kernel && !halted) {
      finding.remedies.push_back(by_hand(*process, cat("kill -KILL ", process->stat.pid),
                                         "it cannot tidy up; what it wrote may be cut"));
    } else if (process->stat.state == 'T') {
      finding.remedies.push_back(by_hand(*process, cat("kill -CONT ", process->stat.pid),
                                         "it goes on only to end, as it was told to"));
    } else if (halted) {
      finding.remedies.push_back(by_hand(*process, "let it go on", "then it ends"));
    } else {
      finding.remedies.push_back(by_hand(*process, "free what it sleeps in",
                                         "no signal helps, and whoever is started anew will "
                                         "sleep there as well"));
    }
    examination.findings.push_back(std::move(finding));
  }
}

constexpr Rule kRules[] = {
    {{.id = "R27",
      .name = "stopped stage",
      .signature =
          "A stage is in state T in both snapshots. The stages of one process group are one "
          "finding.",
      .sentence =
          "Somebody stopped it: Ctrl-Z, SIGSTOP, or the terminal, from which a process in the "
          "background wanted to read.",
      .advice = "Let it go on with SIGCONT. What stops at once again wants its terminal: give it "
                "another standard input, or a session of its own.",
      .reference = "openzfs/zfs#16132, cfengine/core#6305"},
     look_for_stopped},
    {{.id = "R28",
      .name = "frozen control group",
      .signature = "The stage's control group, or one above it, is frozen in both snapshots.",
      .sentence =
          "A container was paused, a unit frozen, or the machine's user session put to sleep. "
          "Nothing in there runs, and signals wait.",
      .advice = "Thaw it where it was frozen: docker unpause, systemctl thaw.",
      .reference = "opencontainers/runc#2105, opencontainers/runc#3217, sosy-lab/benchexec#841"},
     look_for_frozen},
    {{.id = "R29",
      .name = "under a tracer",
      .signature = "TracerPid is set in both snapshots; the state is t if the tracer holds it.",
      .sentence =
          "strace or a debugger is attached. It may hold the stage, and it changes the timing "
          "even if it does not.",
      .advice = "Detach the tracer. On zfs and btrfs even that breaks the stream (R46).",
      .reference = "openzfs/zfs#4046"},
     look_for_traced},
    {{.id = "R30",
      .name = "waits for a person",
      .signature =
          "A stage that others wait for sleeps in a read from a terminal; or gpg waits for its "
          "agent while a pinentry is open.",
      .sentence = "A passphrase, a host key, a password for sudo: someone has to type.",
      .advice =
          "Answer it. Unattended, let it fail instead: gpg --batch --pinentry-mode error, ssh -o "
          "BatchMode=yes, sudo -n, and no terminal (setsid).",
      .reference = "keybase/client#6575, openSUSE/obs-sign#19, benoror/gpg.nvim#20"},
     look_for_prompts},
    {{.id = "R31",
      .name = "child stuck between fork and exec",
      .signature =
          "A child with the executable and arguments of its parent, one thread, asleep without "
          "limit on a lock private to it, while the parent of many threads waits for it.",
      .sentence =
          "Another thread held a lock at the moment of the fork; in the child nobody is left to "
          "release it.",
      .advice =
          "End the child and start again. The parent's program should use posix_spawn, or only "
          "async-signal-safe calls between fork and exec.",
      .reference = "gperftools/gperftools#178, ocaml-multicore/eio#593, o3de/o3de#4833"},
     look_for_stuck_forks},
    {{.id = "R32",
      .name = "FIFO without a partner",
      .signature = "A stage sleeps in open(2) of a FIFO (wait_for_partner) in both snapshots.",
      .sentence =
          "Opening a FIFO waits until somebody opens its other side. If the FIFO was deleted, "
          "that is for ever.",
      .advice = "Start the other side, or end the one that waits.",
      .reference = "NagiosEnterprises/nagioscore#310"},
     look_for_lonely_fifos},
    {{.id = "R33",
      .name = "stage not reaped",
      .signature =
          "A process is a zombie in both snapshots; its parent sleeps elsewhere, neither waits "
          "nor handles SIGCHLD.",
      .sentence =
          "Harmless to pipes, for the dead hold nothing; but its status is not known to who "
          "should judge by it.",
      .advice = "Look at the parent. In a container, run an init that reaps.",
      .reference = "moby/moby#29238, containerd/containerd#3286, containerd/containerd#9979"},
     look_for_zombies},
    {{.id = "R34",
      .name = "will not die",
      .signature =
          "A signal that should end the process is pending in both snapshots, and is blocked, or "
          "the process sleeps uninterruptibly or is halted.",
      .sentence = "It was told to end and cannot, or does not want to.",
      .advice =
          "Where the signal is blocked, SIGKILL. In the kernel only the resource it waits for "
          "helps; do not start a second one on the same data meanwhile.",
      .reference = "openzfs/zfs#6138, moby/moby#37886, jimsalterjrs/sanoid#814"},
     look_for_unkillable},
};

}  // namespace

std::span<const Rule> halted_rules() {
  return kRules;
}

}  // namespace penstock::doctor
