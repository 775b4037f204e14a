// Chapter G of docs/diagnosis/rules.md: nothing hangs, or not for long, and it is worse: a cut
// stream that looks whole.
#include <algorithm>
#include <csignal>

#include "base/text.h"
#include "doctor/looking.h"
#include "doctor/stop_policy.h"
#include "sys/exit_status.h"

namespace penstock::doctor {

namespace {

using procfs::Call;
using procfs::Descriptor;
using procfs::Task;

// As waitpid(2) gives it.
sys::ExitStatus decode_status(int status) {
  const int signal = status & 0x7f;
  return signal != 0 ? sys::ExitStatus::killed(signal, (status & 0x80) != 0)
                     : sys::ExitStatus::exited((status >> 8) & 0xff);
}

// Ended badly; SIGPIPE is how a stage ends whose reader has had enough.
std::optional<sys::ExitStatus> failure_of(const Process& process) {
  if (!process.is_zombie() || !process.exit_status) return std::nullopt;
  const sys::ExitStatus status = decode_status(*process.exit_status);
  if (status.success() || status.was_killed_by(SIGPIPE)) return std::nullopt;
  return status;
}

// Who reads what it wrote, by a descriptor table from when it was alive.
const Process* known_reader(const Scene& scene, const Process& dead) {
  const Process* before = was(scene, dead);
  if (before == nullptr || !before->descriptors) return nullptr;
  for (const Descriptor& file : *before->descriptors) {
    if (!file.is_pipe() || !file.writes || file.fd > 1) continue;
    for (const Holder& holder : scene.readers(file.inode)) {
      if (holder.process->id() != dead.id() && holder.process->stat.parent == dead.stat.parent) {
        return holder.process;
      }
    }
  }
  return nullptr;
}

// The dead hold nothing, so what is left is how shells start a pipeline: one parent, one group,
// from left to right. The first one behind it that reads a pipe that nobody writes any more.
const Process* probable_reader(const Scene& scene, const Process& dead) {
  for (const Process* other : scene.children(dead.stat.parent)) {
    if (other->stat.group != dead.stat.group || other->stat.pid == dead.stat.pid) continue;
    if (other->stat.start_time < dead.stat.start_time || other->stat.pid < dead.stat.pid) continue;
    const ino_t input = pipe_at(*other, 0);
    if (input != 0 && scene.has_writer(input) == false && scene.writers(input).empty())
      return other;
  }
  return nullptr;
}

struct CutStream {
  const Process* failed = nullptr;
  const Process* reader = nullptr;
  bool is_gated = false;
  Certainty certainty = Certainty::certain;
};

std::optional<CutStream> behind_gate(const Scene& scene, const Process& dead) {
  for (const GateText& gate : scene.gates()) {
    if (gate.stages.empty()) continue;
    const auto last = std::prev(gate.stages.end());
    const auto stage = std::find_if(gate.stages.begin(), last, [&](const GateText::Stage& each) {
      return each.id == dead.id();
    });
    if (stage == last) continue;
    return CutStream{.failed = &dead, .reader = scene.find(last->id), .is_gated = true};
  }
  return std::nullopt;
}

std::optional<CutStream> cut_stream(const Scene& scene, const Process& dead) {
  if (auto gated = behind_gate(scene, dead)) return gated;
  if (const Process* reader = known_reader(scene, dead)) {
    return CutStream{.failed = &dead, .reader = reader};
  }
  if (const Process* reader = probable_reader(scene, dead)) {
    return CutStream{.failed = &dead, .reader = reader, .certainty = Certainty::likely};
  }
  return std::nullopt;
}

// Whether one of both is somebody that we were asked about.
bool is_ours(const Scene& scene, const Process& dead, const Process* reader) {
  const Process* before = was(scene, dead);
  return dead.looked_at || (before != nullptr && before->looked_at) ||
         (reader != nullptr && reader->looked_at);
}

void look_for_cut_streams(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const auto& [pid, process] : scene.now().processes) {
    const auto status = failure_of(process);
    if (!status) continue;
    const auto cut = cut_stream(scene, process);
    if (!cut || !is_ours(scene, process, cut->reader)) continue;
    Finding finding = finding_about(examination, rule, process);
    finding.victims.clear();
    finding.since_s.reset();
    if (cut->reader != nullptr) add_victim(finding, *cut->reader);
    finding.severity = Severity::warning;
    finding.certainty = cut->certainty;
    const std::string reader =
        cut->reader != nullptr ? name_of(*cut->reader) : std::string("whoever reads");
    finding.sentence =
        cat(name_of(process), " ", status->sentence(), ": what ", reader, " gets from it is cut",
            cut->is_gated ? ". The gate keeps the end of it back."
                          : ", and looks like an ordinary end.");
    finding.evidence.push_back(
        cat(name_of(process), " ", status->sentence(), ", and is not reaped"));
    if (!cut->is_gated && cut->reader != nullptr) {
      finding.remedies.push_back(
          end_holder(*cut->reader, "stops it before it takes the cut stream for a whole one"));
    }
    examination.findings.push_back(std::move(finding));
  }
}

// Share of one processor between the snapshots.
double load_of(const Scene& scene, const Process& process) {
  const Process* before = was(scene, process);
  const auto ticks = static_cast<double>(process.cpu_ticks - before->cpu_ticks);
  const double seconds = scene.seconds_between();
  return seconds <= 0 ? 0 : ticks / static_cast<double>(scene.now().machine.ticks_per_s) / seconds;
}

bool writes_nothing(const Process& before, const Process& now) {
  return !before.io || !now.io || before.io->write_bytes == now.io->write_bytes;
}

bool reads_on(const Process& before, const Process& now) {
  return before.io && now.io && before.io->read_bytes != now.io->read_bytes;
}

void look_for_deaf_writers(Examination& examination, const RuleInfo& rule) {
  constexpr uint64_t kSigpipe = 0x1000;
  const Scene& scene = examination.scene;
  for (const Process* process : scene.processes()) {
    const ino_t pipe = pipe_at(*process, 1);
    if (pipe == 0 || scene.has_reader(pipe) != false) continue;
    const Process& before = *was(scene, *process);
    if ((process->signals_ignored & before.signals_ignored & kSigpipe) == 0) continue;
    const double load = load_of(scene, *process);
    const bool spins = load >= 0.5;
    const bool tries =
        before.io && process->io && process->io->write_calls > before.io->write_calls;
    if (!writes_nothing(before, *process) || (!spins && !tries)) continue;
    // One that reads on comes to its end some time.
    const bool drains = reads_on(before, *process);
    Finding finding = finding_about(examination, rule, *process);
    finding.pipe = pipe;
    finding.since_s.reset();
    finding.severity = drains ? Severity::warning : Severity::stuck;
    finding.certainty = Certainty::certain;
    finding.sentence =
        cat(name_of(*process), " writes to pipe ", pipe,
            " that nobody reads any more, and does not notice: it ignores SIGPIPE"
            " and the error of its writes. It ",
            drains ? "reads its input to the end for nothing." : "spins for nothing.");
    finding.evidence.push_back(cat("POLLERR on pipe ", pipe, "; SigIgn has SIGPIPE; ",
                                   static_cast<int>(load * 100), " % of a processor"));
    finding.remedies.push_back(end_holder(*process, "none: nobody gets what it makes"));
    examination.findings.push_back(std::move(finding));
  }
}

// Asleep over its input: it would notice a broken output at its next write only.
const Wait* sleep_over_input(const Scene& scene, const Process& process) {
  const Wait* wait = steady_wait(scene, process,
                                 {WaitKind::pipe_read, WaitKind::poll, WaitKind::network,
                                  WaitKind::unix_socket, WaitKind::terminal, WaitKind::asleep});
  return wait == nullptr || wait->writes ? nullptr : wait;
}

void look_for_unread_stages(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const Process* process : scene.processes()) {
    const ino_t pipe = pipe_at(*process, 1);
    if (pipe == 0 || scene.has_reader(pipe) != false) continue;
    // A daemon whose starter went away lives well with a broken output.
    if (process->stat.parent <= 1 || process->stat.session == process->stat.pid) continue;
    const Wait* wait = sleep_over_input(scene, *process);
    if (wait == nullptr || !is_at_rest(scene, *process)) continue;
    const bool reads_stdin = wait->kind == WaitKind::pipe_read && wait->fd == 0;
    const bool has_stdin_pipe = pipe_at(*process, 0) != 0;
    Finding finding = finding_about(examination, rule, *process);
    finding.pipe = pipe;
    finding.severity = reads_stdin || has_stdin_pipe ? Severity::stuck : Severity::warning;
    finding.certainty = Certainty::certain;
    finding.sentence = cat(name_of(*process),
                           " sleeps over its input, while nobody reads its output "
                           "(pipe ",
                           pipe, ") any more: it will notice only when it writes again.");
    finding.evidence.push_back(cat("POLLERR on pipe ", pipe));
    finding.evidence.push_back(cat(name_of(*process), " ", what_it_does(scene, *process)));
    // By an end that was left to it, which goes with it.
    for (const Edge* edge : examination.graph.to(node_of(*process))) {
      if (edge->kind == EdgeKind::pipe_empty) finding.evidence.push_back(edge->sentence);
    }
    finding.remedies.push_back(
        end_holder(*process, "none: nobody gets what it makes; begin at the end of the pipeline"));
    examination.findings.push_back(std::move(finding));
  }
}

bool reads_pipe_at_zero(const Process& process, ino_t pipe) {
  if (pipe_at(process, 0) != pipe) return false;
  return std::ranges::any_of(process.tasks, [](const Task& task) {
    return task.syscall && !task.syscall->running && task.syscall->call == Call::read &&
           task.syscall->arguments[0] == 0;
  });
}

// Seen in the act, in one of the snapshots.
bool was_seen_reading(const Scene& scene, const Process& process, ino_t pipe) {
  const auto waits = scene.waits_of(process.stat.pid);
  return reads_pipe_at_zero(process, pipe) || reads_pipe_at_zero(*was(scene, process), pipe) ||
         std::ranges::any_of(waits, [&](const Wait* wait) {
           return wait->kind == WaitKind::pipe_read && wait->pipe == pipe && wait->fd == 0;
         });
}

void look_for_rival_readers(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const ino_t pipe : scene.pipes()) {
    std::vector<const Process*> rivals;
    for (const Holder& holder : scene.readers(pipe)) {
      const Process& process = *holder.process;
      if (!process.looked_at || was(scene, process) == nullptr) continue;
      if (pipe_at(*was(scene, process), 0) != pipe) continue;
      if (was_seen_reading(scene, process, pipe)) rivals.push_back(&process);
    }
    if (rivals.size() < 2) continue;
    std::ranges::sort(rivals, {}, [](const Process* each) { return each->stat.start_time; });
    const Process& helper = *rivals.back();
    Finding finding = finding_about(examination, rule, helper);
    finding.victims.clear();
    for (const Process* each : rivals) {
      if (each != &helper) add_victim(finding, *each);
    }
    finding.pipe = pipe;
    finding.severity = Severity::warning;
    finding.certainty = Certainty::likely;
    finding.sentence = cat(name_of(*rivals.front()), " and ", name_of(helper), " both read pipe ",
                           pipe, " as their standard input: each gets a part of the stream.");
    for (const Process* each : rivals) {
      finding.evidence.push_back(cat(name_of(*each), ": descriptor 0 is pipe ", pipe));
    }
    finding.remedies.push_back(by_hand(helper, "start it with < /dev/null (ssh -n)", "none"));
    examination.findings.push_back(std::move(finding));
  }
}

// Inside the ioctl that does it all; true as well where we are not told.
bool may_be_in_ioctl(const Process& process) {
  return std::ranges::any_of(process.tasks, [](const Task& task) {
    return !task.syscall || task.syscall->running || task.syscall->call == Call::ioctl;
  });
}

void look_for_fragile_stages(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const Process* process : scene.processes()) {
    if (!forbids_stop(*process) || !is_stage(scene, *process) || !may_be_in_ioctl(*process)) {
      continue;
    }
    Finding finding = finding_about(examination, rule, *process);
    finding.victims.clear();
    finding.since_s.reset();
    finding.severity = Severity::info;
    finding.certainty = Certainty::certain;
    finding.sentence = cat("Never stop, trace or signal ", name_of(*process),
                           " to free it: its stream would break.");
    finding.evidence.push_back(cat(name_of(*process), " ", what_it_does(scene, *process)));
    examination.findings.push_back(std::move(finding));
  }
}

constexpr Rule kRules[] = {
    {{.id = "R42",
      .name = "cut stream that looks whole",
      .signature =
          "A stage upstream has ended with a status other than 0 (SIGPIPE aside) and is not "
          "reaped yet, while the one behind it still reads. Known by a gate, by the pipes it "
          "held before, or by its place in its process group.",
      .sentence = "The reader sees an ordinary end of file, and the pipeline's status is the last "
                  "stage's: the failure is lost.",
      .advice =
          "Count a job as done only if every stage ended with 0. A gate keeps the end back until "
          "that is known: penstock run.",
      .reference = "Security-Onion-Solutions/securityonion#15896, kubrickfr/btrfs-send-to-s3#14, "
                   "restic/restic#2135, jimsalterjrs/sanoid#70"},
     look_for_cut_streams},
    {{.id = "R43",
      .name = "writer that ignores SIGPIPE",
      .signature =
          "Nobody reads the stage's output (POLLERR), it ignores SIGPIPE, writes no byte, and "
          "uses the processor or calls write again and again.",
      .sentence =
          "That SIGPIPE is ignored is inherited through exec, and the program does not look at "
          "the error of its writes either.",
      .advice = "End that stage. Whoever starts it should set SIGPIPE to its default first.",
      .reference = "jimsalterjrs/sanoid#1019, oetiker/znapzend#151, apenwarr/redo#13, "
                   "kovidgoyal/kitty#5500"},
     look_for_deaf_writers},
    {{.id = "R44",
      .name = "idle upstream, nobody downstream",
      .signature = "A stage sleeps over its input in both snapshots, and nobody reads its output "
                   "(POLLERR).",
      .sentence =
          "Its reader is gone. It is told so at its next write, and there may never be one.",
      .advice = "End it, from the end of the pipeline backwards.",
      .reference = "ThomasDickey/original-mawk#90, Glyndor/podup#1102, uutils/coreutils#10156"},
     look_for_unread_stages},
    {{.id = "R45",
      .name = "two readers on one input",
      .signature =
          "Two processes have the same pipe as standard input, and both were seen in a read "
          "of it.",
      .sentence = "A helper has inherited the stream as its own standard input, and eats of it.",
      .advice = "Give helpers /dev/null: ssh -n, ffmpeg -nostdin, < /dev/null.",
      .reference = "https://www.vidarholen.net/contents/blog/?p=632"},
     look_for_rival_readers},
    {{.id = "R46",
      .name = "not to be stopped, traced or signalled",
      .signature = "zfs or btrfs, inside the ioctl that sends or receives.",
      .sentence =
          "They read and write within one call; whatever interrupts it cuts the stream. The "
          "healer refuses to stop them.",
      .advice =
          "Pause such a stage by not reading what it writes. End it only if the stream may be "
          "lost.",
      .reference = "openzfs/zfs#4046, openzfs/zfs#810, openzfs/zfs#16132, kdave/btrfs-progs#719"},
     look_for_fragile_stages},
};

}  // namespace

std::span<const Rule> damage_rules() {
  return kRules;
}

}  // namespace penstock::doctor
