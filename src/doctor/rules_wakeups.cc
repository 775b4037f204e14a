// Chapter A of docs/diagnosis/rules.md: somebody sleeps although what he waits for has come.
#include <algorithm>

#include "base/text.h"
#include "doctor/kernel_version.h"
#include "doctor/looking.h"
#include "doctor/pipe_bug.h"
#include "doctor/stop_policy.h"

namespace penstock::doctor {

namespace {

using procfs::Descriptor;
using procfs::Task;

std::string thread_of(const Wait& wait) {
  return wait.tid == wait.process.pid ? "" : cat(" (thread ", wait.tid, ")");
}

std::string sleep_evidence(const Process& process, const Wait& wait) {
  return cat(name_of(process), thread_of(wait), ": ", name_of(wait.kind),
             wait.function.empty() ? "" : cat(" (", wait.function, ")"), ", pipe ", wait.pipe,
             wait.by_table ? ", by its descriptor table" : "", ", not run between the snapshots");
}

const Task* task_of(const Process& process, const Wait& wait) {
  const auto it = std::ranges::find(process.tasks, wait.tid, &Task::tid);
  return it == process.tasks.end() ? nullptr : &*it;
}

// Every pipe that it could be sleeping on has room.
bool has_room_wherever_it_sleeps(const Scene& scene, const Process& process, const Wait& wait) {
  if (wait.pipe == 0 || scene.writable(wait.pipe) != true) return false;
  if (wait.sure) return true;
  return std::ranges::all_of(*process.descriptors, [&](const Descriptor& file) {
    return !file.is_pipe() || !file.writes || scene.writable(file.inode) == true;
  });
}

// A reader in the middle of a read wakes the writers only when it has done with it.
bool reader_hangs_within_its_read(const Scene& scene, ino_t pipe) {
  return std::ranges::any_of(scene.readers(pipe), [&](const Holder& reader) {
    return steady_wait(scene, *reader.process, {WaitKind::disk, WaitKind::network_disk}) != nullptr;
  });
}

// Of several writers one is woken at a time: another one that is at work explains the room.
bool another_writer_works(const Scene& scene, const Wait& wait) {
  return std::ranges::any_of(scene.writers(wait.pipe), [&](const Holder& writer) {
    const GateText* gate = scene.gate(wait.pipe);
    const bool keeps_gate =
        gate != nullptr &&
        std::ranges::find(gate->holders, writer.process->id()) != gate->holders.end();
    return writer.process->id() != wait.process && !keeps_gate &&
           scene.moved(writer.process->stat.pid);
  });
}

const Process* whom_never_to_stop(const Scene& scene, const Process& process) {
  for (const pid_t pid : pipeline_of(scene, process)) {
    const Process* other = scene.find(pid);
    if (other != nullptr && forbids_stop(*other)) return other;
  }
  return nullptr;
}

Remedy nudge_remedy(const Process& writer, ino_t pipe) {
  return {.step = Step::nudge,
          .target = writer.id(),
          .pipe = pipe,
          .others = {},
          .command = cat("penstock doctor ", writer.stat.pid, " --heal"),
          .risk = "none: the pipe is given the size it has; no signal, no byte touched",
          .safe = true};
}

Remedy stop_remedy(const Process& process, std::string risk) {
  return {.step = Step::stop_cont,
          .target = process.id(),
          .pipe = std::nullopt,
          .others = {},
          .command = cat("kill -STOP ", process.stat.pid, " && kill -CONT ", process.stat.pid),
          .risk = std::move(risk)};
}

// Where the pipe may not be asked: one cannot sleep for want of room and the other for want of
// data.
bool sleeps_against_its_reader(const Scene& scene, const Wait& wait) {
  const procfs::PipeFacts* facts = scene.facts(wait.pipe);
  if (wait.pipe == 0 || !wait.sure || (facts != nullptr && facts->writable)) return false;
  const std::vector<const Wait*> readers = scene.steady_on(WaitKind::pipe_read, wait.pipe);
  return !readers.empty() && std::ranges::all_of(readers, &Wait::sure);
}

bool is_one_slot_case(const Scene& scene, ino_t pipe);

void look_for_lost_wakeup(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const Wait* wait : scene.steady(WaitKind::pipe_write)) {
    const Process& writer = *scene.find(wait->process);
    const bool has_room = has_room_wherever_it_sleeps(scene, writer, *wait);
    if (!has_room && !sleeps_against_its_reader(scene, *wait)) continue;
    if (is_one_slot_case(scene, wait->pipe)) continue;
    if (reader_hangs_within_its_read(scene, wait->pipe)) continue;
    if (another_writer_works(scene, *wait)) continue;
    // Nobody left to read: the next thing that it gets is a signal, which is another case.
    if (scene.has_reader(wait->pipe) == false) continue;
    Finding finding = finding_about(examination, rule, writer);
    finding.severity = Severity::stuck;
    finding.certainty = has_room ? Certainty::certain : Certainty::likely;
    finding.pipe = wait->pipe;
    finding.sentence =
        cat(name_of(writer), thread_of(*wait), " sleeps in a write to pipe ", wait->pipe,
            has_room ? ", although the pipe has room (" : ", although its reader waits for data (",
            scene.describe(wait->pipe), "): its wakeup was lost.");
    const std::string& kernel = scene.now().machine.kernel;
    if (kernel_has_lost_wakeup(kernel)) {
      finding.sentence +=
          cat(" Kernel ", kernel, " is among those with that bug (CVE-2023-52672).");
    }
    finding.evidence.push_back(sleep_evidence(writer, *wait));
    if (has_room) {
      finding.evidence.push_back(cat("pipe ", wait->pipe, " polls writable in both snapshots"));
    }
    for (const Wait* reader : scene.steady_on(WaitKind::pipe_read, wait->pipe)) {
      finding.evidence.push_back(sleep_evidence(*scene.find(reader->process), *reader));
    }
    finding.evidence.push_back(cat("kernel ", kernel));
    finding.remedies.push_back(nudge_remedy(writer, wait->pipe));
    if (!forbids_stop(writer)) {
      finding.remedies.push_back(
          stop_remedy(writer, "its write may come back short, which some programs do not expect"));
    }
    finding.remedies.push_back(end_pipeline(scene, writer));
    if (const Process* fragile = whom_never_to_stop(scene, writer)) {
      finding.sentence +=
          cat(" Never stop or trace ", name_of(*fragile), ": that breaks its stream.");
    }
    examination.findings.push_back(std::move(finding));
  }
}

void look_for_lost_reader(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  const bool racy_kernel = has_splice_race(scene.now().machine.kernel);
  for (const Wait* wait : scene.steady(WaitKind::pipe_read)) {
    if (wait->pipe == 0 || !wait->sure) continue;
    const bool at_end = scene.has_writer(wait->pipe) == false;
    const bool has_data = scene.is_empty(wait->pipe) == false;
    if (!at_end && !(has_data && racy_kernel)) continue;
    const Process& reader = *scene.find(wait->process);
    Finding finding = finding_about(examination, rule, reader);
    finding.severity = Severity::stuck;
    finding.certainty = at_end ? Certainty::certain : Certainty::likely;
    finding.pipe = wait->pipe;
    finding.sentence = cat(
        name_of(reader), thread_of(*wait), " sleeps in a read of pipe ", wait->pipe, ", although ",
        at_end ? "nobody is left to write to it: it was not told the end."
               : cat("the pipe has data (", scene.describe(wait->pipe), "): its wakeup was lost."));
    finding.evidence.push_back(sleep_evidence(reader, *wait));
    finding.evidence.push_back(at_end ? cat("pipe ", wait->pipe, " hangs up in both snapshots")
                                      : cat("pipe ", wait->pipe, " has data in both snapshots"));
    finding.evidence.push_back(cat("kernel ", scene.now().machine.kernel));
    if (!forbids_stop(reader)) {
      finding.remedies.push_back(stop_remedy(
          reader, "a read that has got nothing yet starts anew; one in the middle comes short"));
    }
    finding.remedies.push_back(end_pipeline(scene, reader));
    examination.findings.push_back(std::move(finding));
  }
}

// The epoll descriptor that it sleeps on, without a limit of time; nothing if that is not told.
const Descriptor* endless_epoll(const Process& process, const Wait& wait) {
  const Task* task = task_of(process, wait);
  if (task == nullptr || !task->syscall || task->syscall->call != procfs::Call::epoll) {
    return nullptr;
  }
  // epoll_pwait2 has a pointer there, and none means no limit.
  const uint64_t limit = task->syscall->arguments[3];
  if (limit != 0 && static_cast<int>(limit) != -1) return nullptr;
  const Descriptor* epoll = descriptor_of(process, static_cast<int>(task->syscall->arguments[0]));
  return epoll != nullptr && epoll->kind == procfs::FileKind::epoll ? epoll : nullptr;
}

// It may leave its input alone because its output is stuck.
bool waits_for_its_output(const Scene& scene, const Process& process) {
  return std::ranges::any_of(*process.descriptors, [&](const Descriptor& file) {
    if (file.kind == procfs::FileKind::socket) return true;
    return file.is_pipe() && file.writes && scene.writable(file.inode) != true;
  });
}

// The pipe that it watches for edges and has left data in; 0: none.
ino_t undrained_pipe(const Scene& scene, const Process& process, const Descriptor& epoll) {
  constexpr uint32_t kEdgeTriggered = 1u << 31;
  for (const procfs::EpollEntry& entry : epoll.watched) {
    const Descriptor* file = descriptor_of(process, entry.fd);
    if (file == nullptr || !file->is_pipe() || !file->reads) continue;
    if ((entry.events & kEdgeTriggered) != 0 && scene.is_empty(file->inode) == false) {
      return file->inode;
    }
  }
  return 0;
}

void look_for_undrained_edges(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const Wait* wait : scene.steady(WaitKind::poll)) {
    const Process& reader = *scene.find(wait->process);
    if (!reader.descriptors || !is_at_rest(scene, reader)) continue;
    const Descriptor* epoll = endless_epoll(reader, *wait);
    if (epoll == nullptr) continue;
    const ino_t pipe = undrained_pipe(scene, reader, *epoll);
    if (pipe == 0 || waits_for_its_output(scene, reader)) continue;
    const std::vector<const Wait*> writers = scene.steady_on(WaitKind::pipe_write, pipe);
    if (writers.empty()) continue;
    Finding finding = finding_about(examination, rule, reader);
    finding.severity = Severity::stuck;
    finding.certainty = Certainty::likely;
    finding.pipe = pipe;
    finding.sentence =
        cat(name_of(reader), " waits for news of pipe ", pipe, " although it has left data in it (",
            scene.describe(pipe), "), and is told of arrivals only: nobody can write any more.");
    finding.evidence.push_back(
        cat("epoll descriptor ", epoll->fd, " lists the pipe edge-triggered (EPOLLET)"));
    for (const Wait* writer : writers) {
      finding.evidence.push_back(sleep_evidence(*scene.find(writer->process), *writer));
    }
    finding.remedies.push_back(end_pipeline(scene, reader));
    examination.findings.push_back(std::move(finding));
  }
}

// One slot, a few bytes in it, two writers asleep, and nobody reads who does not sleep himself: a
// semaphore made of a pipe, shut by a page that was prepared and never used.
bool is_one_slot_case(const Scene& scene, ino_t pipe) {
  const procfs::PipeFacts* facts = scene.facts(pipe);
  if (facts == nullptr || facts->capacity != scene.now().machine.page_size || !facts->queued) {
    return false;
  }
  if (*facts->queued * 8 > *facts->capacity) return false;
  const std::vector<const Wait*> writers = scene.steady_on(WaitKind::pipe_write, pipe);
  if (writers.size() < 2) return false;
  return std::ranges::all_of(scene.readers(pipe), [&](const Holder& reader) {
    const pid_t pid = reader.process->stat.pid;
    return steady_wait(scene, *reader.process, {WaitKind::child}) != nullptr ||
           std::ranges::any_of(writers, [&](const Wait* wait) { return wait->process.pid == pid; });
  });
}

void look_for_one_slot(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const ino_t pipe : scene.pipes()) {
    if (!is_one_slot_case(scene, pipe)) continue;
    const std::vector<const Wait*> writers = scene.steady_on(WaitKind::pipe_write, pipe);
    const Process& first = *scene.find(writers.front()->process);
    Finding finding = finding_about(examination, rule, first);
    finding.severity = Severity::stuck;
    finding.certainty = Certainty::certain;
    finding.pipe = pipe;
    finding.sentence = cat(writers.size(), " writers sleep on pipe ", pipe, ", ", name_of(first),
                           " among them. It has one slot and is nearly empty (",
                           scene.describe(pipe), "), and nobody is left to read it.");
    for (const Wait* wait : writers) {
      finding.evidence.push_back(sleep_evidence(*scene.find(wait->process), *wait));
      if (wait->process != first.id() &&
          std::ranges::find(finding.victims, wait->process) == finding.victims.end()) {
        finding.victims.push_back(wait->process);
      }
    }
    finding.remedies.push_back(nudge_remedy(first, pipe));
    finding.remedies.push_back(end_pipeline(scene, first));
    examination.findings.push_back(std::move(finding));
  }
}

constexpr Rule kRules[] = {
    {{.id = "R01",
      .name = "lost wakeup",
      .signature = "A thread sleeps in a write to a pipe, unmoved in both snapshots, while that "
                   "pipe polls writable in both.",
      .sentence = "The pipe was resized while its writer slept on it. Some kernels wake the writer "
                  "a moment too early then, and never again: everybody sleeps, and the pipe has "
                  "room.",
      .advice = "Nudge the pipe (--heal): it is given the size it has, which wakes the writer and "
                "changes nothing. Never stop or trace zfs or btrfs in that pipeline. Pipes that "
                "have their full size before they are handed out cannot get into this.",
      .reference = "CVE-2023-52672, kernel bug 212295, openzfs/zfs#13571, openzfs/zfs#13309, "
                   "https://changelog.complete.org/archives/10390-pipe-issue-likely-a-kernel-bug"},
     look_for_lost_wakeup},
    {{.id = "R02",
      .name = "reader not woken",
      .signature = "A thread sleeps in a read of a pipe in both snapshots although the pipe hangs "
                   "up (no writer is left anywhere); or, on kernels 5.5 to 5.9, although there is "
                   "data in it.",
      .sentence = "The end of the stream, or its data, came at the wrong moment, and the reader "
                  "was not told.",
      .advice = "Stop and continue the reader (--heal=H4), unless it is zfs or btrfs; a read that "
                "has got nothing yet starts anew. Else end the pipeline and run it again.",
      .reference = "kernel commits \"pipe: remove pipe_wait() and fix wakeup race with splice\" "
                   "and \"pipe: make sure to wake up everybody when the last reader/writer "
                   "closes\""},
     look_for_lost_reader},
    {{.id = "R03",
      .name = "edge-triggered reader that did not drain",
      .signature = "A reader sleeps in epoll without limit, lists the pipe edge-triggered, and has "
                   "nothing else to wait for; the pipe has data in both snapshots, and its writer "
                   "sleeps on it.",
      .sentence = "The reader stopped before its input was empty and now waits for an arrival that "
                  "cannot come, since there is no room for one.",
      .advice = "A bug of the reader's. End the pipeline and run it again.",
      .reference = "kernel commit \"pipe: make pipe writes always wake up readers\", "
                   "tokio-rs/mio#45"},
     look_for_undrained_edges},
    {{.id = "R04",
      .name = "pipe with a single slot",
      .signature = "The pipe's capacity is one page and a few bytes are in it; two or more writers "
                   "sleep on it, and every reader is one of them or waits for a child.",
      .sentence = "With one slot, an empty page that was prepared for a write makes the pipe full. "
                  "Pipes shrink so when a user has too many of them.",
      .advice = "Raise fs.pipe-user-pages-soft, or use fewer pipes. A larger size wakes the "
                "writers; otherwise end them.",
      .reference = "rust-lang/cargo#9739, rust-lang/jobserver-rs#34"},
     look_for_one_slot},
};

}  // namespace

std::span<const Rule> wakeup_rules() {
  return kRules;
}

}  // namespace penstock::doctor
