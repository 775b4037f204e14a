// Chapter C of docs/diagnosis/rules.md: an end of a pipe in the wrong hands, so that its reader
// never sees the end, or its writer never the signal.
// Who counts as the wrong hands: doctor/strays.h.
#include <algorithm>

#include "base/text.h"
#include "doctor/looking.h"
#include "doctor/strays.h"

namespace penstock::doctor {

namespace {

using procfs::Descriptor;
using procfs::FileKind;

// A reader that sleeps on an empty pipe whose end could still come, at no gate.
struct DryReader {
  const Process* process = nullptr;
  const Wait* wait = nullptr;
};

std::vector<DryReader> dry_readers(const Scene& scene) {
  std::vector<DryReader> found;
  for (const Wait* wait : scene.steady(WaitKind::pipe_read)) {
    if (wait->pipe == 0 || !wait->sure || scene.gate(wait->pipe) != nullptr) continue;
    if (scene.is_empty(wait->pipe) == false || scene.has_writer(wait->pipe) == false) continue;
    found.push_back({.process = scene.find(wait->process), .wait = wait});
  }
  return found;
}

std::string holds_evidence(const Holder& holder, ino_t pipe, std::string_view end) {
  std::string fds;
  for (const int fd : holder.fds) fds += cat(fds.empty() ? "" : ", ", fd);
  return cat(name_of(*holder.process), " (parent ", holder.process->stat.parent, ", session ",
             holder.process->stat.session, ") holds the ", end, " end of pipe ", pipe,
             " at descriptor ", fds);
}

void look_for_stray_writers(Examination& examination, const RuleInfo& rule, Stray wanted) {
  const Scene& scene = examination.scene;
  for (const DryReader& reader : dry_readers(scene)) {
    const ino_t pipe = reader.wait->pipe;
    if (examination.explained(pipe)) continue;
    const auto strays = only_strays(scene, scene.writers(pipe), *reader.process, pipe);
    const auto culprit =
        std::ranges::find_if(strays, [&](const auto& stray) { return stray.second == wanted; });
    if (culprit == strays.end()) continue;
    const Process& holder = *culprit->first->process;
    Finding finding = finding_about(examination, rule, holder);
    finding.severity = Severity::stuck;
    // Where an end is by chance at hand, an accident of the descriptor's number is less than proof.
    finding.certainty = wanted == Stray::outsider ? Certainty::likely : Certainty::certain;
    finding.pipe = pipe;
    finding.sentence = cat(name_of(*reader.process), " waits for the end of pipe ", pipe,
                           ", which is empty. Whoever wrote it has ended, but ", name_of(holder),
                           what_it_is(wanted), ", still holds its write end.");
    for (const auto& [stray, kind] : strays) {
      finding.evidence.push_back(holds_evidence(*stray, pipe, "write"));
      finding.remedies.push_back(remedy_for(*stray->process, kind));
    }
    finding.evidence.push_back(
        cat(name_of(*reader.process), " ", what_it_does(scene, *reader.process)));
    examination.findings.push_back(std::move(finding));
  }
}

void look_for_outsiders(Examination& examination, const RuleInfo& rule) {
  look_for_stray_writers(examination, rule, Stray::outsider);
}
void look_for_orphans(Examination& examination, const RuleInfo& rule) {
  look_for_stray_writers(examination, rule, Stray::orphan);
}
void look_for_mux_masters(Examination& examination, const RuleInfo& rule) {
  look_for_stray_writers(examination, rule, Stray::mux);
}
void look_for_agents(Examination& examination, const RuleInfo& rule) {
  look_for_stray_writers(examination, rule, Stray::agent);
}

// A pipe to itself by which a signal handler or a thread wakes a loop is no such case.
bool reads_own_input(const Process& reader, const Wait& wait) {
  const Descriptor* file = descriptor_of(reader, wait.fd);
  if (file == nullptr || file->kind != FileKind::pipe) return false;
  return wait.fd == 0 || (reader.tasks.size() == 1 && reader.signals_caught == 0);
}

void look_for_own_writer(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const DryReader& reader : dry_readers(scene)) {
    const Process& process = *reader.process;
    const ino_t pipe = reader.wait->pipe;
    const std::vector<Holder>& writers = scene.writers(pipe);
    if (writers.size() != 1 || writers.front().process != &process) continue;
    if (!is_at_rest(scene, process) || !reads_own_input(process, *reader.wait)) continue;
    if (may_have_hidden_stage(scene, process)) continue;
    Finding finding = finding_about(examination, rule, process);
    finding.severity = Severity::stuck;
    finding.certainty = process.tasks.size() == 1 ? Certainty::certain : Certainty::likely;
    finding.pipe = pipe;
    finding.sentence = cat(name_of(process), " waits for the end of pipe ", pipe,
                           ", but holds its write end itself, as the only one: the end never "
                           "comes.");
    finding.evidence.push_back(holds_evidence(writers.front(), pipe, "write"));
    finding.evidence.push_back(cat(name_of(process), " ", what_it_does(scene, process)));
    finding.remedies.push_back(end_pipeline(scene, process));
    examination.findings.push_back(std::move(finding));
  }
}

// Only a supervisor that waits for the very reader (by way of whomever) is past writing: one that
// feeds its child and has nothing for it yet looks the same otherwise.
void look_for_supervisors(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  const std::set<Node>& deadlocked = examination.graph.deadlocked();
  for (const DryReader& reader : dry_readers(scene)) {
    const ino_t pipe = reader.wait->pipe;
    if (examination.explained(pipe) || !deadlocked.contains(node_of(*reader.process))) continue;
    for (const Holder& holder : scene.writers(pipe)) {
      const Process& supervisor = *holder.process;
      if (!scene.is_ancestor(supervisor.stat.pid, reader.process->stat.pid)) continue;
      if (!deadlocked.contains(node_of(supervisor))) continue;
      // Who kept the one end only meant to write (R24).
      const bool kept_both = holds_both_ends(scene, supervisor, pipe);
      if (!kept_both && !is_shell(supervisor)) continue;
      if (steady_wait(scene, supervisor, {WaitKind::child}) == nullptr) continue;
      Finding finding = finding_about(examination, rule, supervisor);
      finding.severity = Severity::stuck;
      finding.certainty = Certainty::certain;
      finding.pipe = pipe;
      finding.sentence =
          cat(name_of(*reader.process), " waits for the end of pipe ", pipe, ", whose write end ",
              name_of(supervisor), ", who started it, has kept open, and which now waits for ",
              "its children to end.");
      finding.evidence.push_back(holds_evidence(holder, pipe, "write"));
      finding.evidence.push_back(cat(name_of(supervisor), " ", what_it_does(scene, supervisor)));
      finding.remedies.push_back({.step = Step::close_own,
                                  .target = supervisor.id(),
                                  .pipe = pipe,
                                  .others = {},
                                  .command = cat("close the write end in ", name_of(supervisor)),
                                  .risk = "only its own program can do that"});
      finding.remedies.push_back(end_pipeline(scene, *reader.process));
      examination.findings.push_back(std::move(finding));
      break;
    }
  }
}

// Whoever polls may yet read; whoever sleeps in a read does.
bool may_still_read(const Scene& scene, const Process& process, ino_t pipe) {
  for (const Wait* wait : scene.waits_of(process.stat.pid)) {
    if (!wait->steady || wait->kind == WaitKind::poll || wait->kind == WaitKind::untold)
      return true;
    if (wait->kind == WaitKind::pipe_read && (wait->pipe == pipe || !wait->sure)) return true;
  }
  return false;
}

void look_for_stray_readers(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const Wait* wait : scene.steady(WaitKind::pipe_write)) {
    const ino_t pipe = wait->pipe;
    if (pipe == 0 || scene.writable(pipe) != false || examination.explained(pipe)) continue;
    const Process& writer = *scene.find(wait->process);
    const auto strays = only_strays(scene, scene.readers(pipe), writer, pipe);
    const bool idle = std::ranges::all_of(strays, [&](const auto& stray) {
      const Process& process = *stray.first->process;
      return holds_beyond(*stray.first, 0) && !may_still_read(scene, process, pipe) &&
             !keeps_logs(process);
    });
    if (strays.empty() || !idle) continue;
    const Process& holder = *strays.front().first->process;
    Finding finding = finding_about(examination, rule, holder);
    finding.severity = Severity::stuck;
    finding.certainty = Certainty::certain;
    finding.pipe = pipe;
    finding.sentence = cat(name_of(writer), " waits for room in pipe ", pipe, " (",
                           scene.describe(pipe), "). Whoever read it has ended, but ",
                           name_of(holder), what_it_is(strays.front().second),
                           ", still holds its read end and does not read, so the writer is not "
                           "told. What is in the pipe goes nowhere.");
    for (const auto& [stray, kind] : strays) {
      finding.evidence.push_back(holds_evidence(*stray, pipe, "read"));
      finding.remedies.push_back(remedy_for(*stray->process, kind));
      finding.remedies.back().risk = "the writer ends with SIGPIPE: its job has failed";
    }
    examination.findings.push_back(std::move(finding));
  }
}

// The pipe came with whoever was started from outside: of our process namespace, or of what we may
// read. Its writer is then just there.
bool comes_from_outside(const Scene& scene, const Process& reader, ino_t pipe) {
  return std::ranges::any_of(scene.readers(pipe), [&](const Holder& holder) {
    const procfs::ProcessStat& stat = holder.process->stat;
    if (holder.process != &reader && !scene.is_ancestor(stat.pid, reader.stat.pid)) return false;
    const Process* parent = scene.find(stat.parent);
    return stat.pid == 1 || stat.session == 0 || parent == nullptr || !parent->descriptors;
  });
}

void look_for_hidden_writers(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  std::set<ino_t> told;
  for (const DryReader& reader : dry_readers(scene)) {
    const ino_t pipe = reader.wait->pipe;
    if (scene.has_writer(pipe) != true || !scene.writers(pipe).empty()) continue;
    if (scene.had_writer(pipe)) continue;
    if (examination.explained(pipe) || !told.insert(pipe).second) continue;
    // Where tables could not be read, the writer is probably just in one of them.
    const bool is_shy = comes_from_outside(scene, *reader.process, pipe) ||
                        may_have_hidden_stage(scene, *reader.process);
    const size_t unreadable = scene.unreadable().size();
    Finding finding = finding_about(examination, rule, *reader.process);
    finding.victims.insert(finding.victims.begin(), reader.process->id());
    finding.culprit = {};
    finding.severity = is_shy ? Severity::info : Severity::stuck;
    finding.certainty = Certainty::certain;
    finding.pipe = pipe;
    finding.hidden_holder = true;
    finding.sentence = cat(name_of(*reader.process), " waits for the end of pipe ", pipe,
                           ", which is empty. Somebody holds its write end, and ",
                           is_shy ? "we are not shown who."
                                  : "no process shows it: it may be on its way in a socket, in "
                                    "another namespace, or in the kernel.");
    finding.evidence.push_back(cat("pipe ", pipe,
                                   " does not hang up, and no table that could be "
                                   "read has its write end"));
    if (unreadable != 0) {
      finding.evidence.push_back(cat(unreadable, " descriptor tables could not be read"));
      finding.remedies.push_back(
          by_hand(*reader.process, cat("sudo penstock doctor ", reader.process->stat.pid), "none"));
    }
    if (!is_shy) finding.remedies.push_back(end_pipeline(scene, *reader.process));
    examination.findings.push_back(std::move(finding));
  }
}

bool is_connected(const Scene& scene, const Process& process) {
  constexpr int kEstablished = 1;
  return process.descriptors &&
         std::ranges::any_of(*process.descriptors, [&](const Descriptor& file) {
           const auto socket = scene.now().tcp.find(file.inode);
           return file.kind == FileKind::socket && socket != scene.now().tcp.end() &&
                  socket->second.state == kEstablished;
         });
}

void look_for_remote_leftovers(Examination& examination, const RuleInfo& rule) {
  constexpr double kLongSeconds = 30;
  const Scene& scene = examination.scene;
  for (const Process* process : scene.processes()) {
    if (process->stat.comm != "ssh" || is_mux_master(*process)) continue;
    if (steady_wait(scene, *process, {WaitKind::poll}) == nullptr) continue;
    if (!rests_longer_than(scene, *process, kLongSeconds)) continue;
    if (!is_connected(scene, *process) || !has_victims(examination, *process)) continue;
    Finding finding = finding_about(examination, rule, *process);
    finding.severity = Severity::info;
    finding.certainty = Certainty::possible;
    finding.sentence = cat(name_of(*process),
                           " is connected and has been idle: the far side has nothing to send, or "
                           "its command has ended and something in the background there keeps the "
                           "session open.");
    finding.evidence.push_back(cat(name_of(*process), " ", what_it_does(scene, *process)));
    finding.remedies.push_back(
        by_hand(*process, "penstock doctor --all, on the other machine", "none"));
    examination.findings.push_back(std::move(finding));
  }
}

constexpr Rule kRules[] = {
    {{.id = "R11",
      .name = "write end leaked into a stranger",
      .signature = "A reader sleeps on an empty pipe; everybody else who holds the write end is a "
                   "process at rest that became another program with a descriptor above 2 that it "
                   "was not told of. (A stage of the same job only if it waits behind the reader.)",
      .sentence = "The pipe was made without close-on-exec, or by one thread while another was "
                  "forking, and a stranger inherited it.",
      .advice = "End the stranger, or let its program close what it does not know. Pipes are to be "
                "made with O_CLOEXEC.",
      .reference = "arminbiere/cadical#120, NixOS/nix#13923, haskell/process#288"},
     look_for_outsiders},
    {{.id = "R12",
      .name = "left-behind process keeps the pipe",
      .signature = "A reader sleeps on an empty pipe; everybody else who holds the write end is at "
                   "rest and was taken in by init after its parent had ended.",
      .sentence = "A stage started something in the background and ended; what it started "
                  "inherited its output and keeps it open.",
      .advice = "End it. Where such a thing is started, redirect its standard output and error.",
      .reference = "golang/go#23019, python/cpython#76116, moby/moby#33039, "
                   "containerd/containerd#2823"},
     look_for_orphans},
    {{.id = "R13",
      .name = "ssh master keeps the pipe",
      .signature = "As R12, and the holder is an ssh that shows [mux].",
      .sentence = "With ControlPersist the first ssh leaves a master behind, which keeps the error "
                  "output of whoever started it, until its time is up.",
      .advice = "ssh -O exit for its ControlPath; or run ssh with -o ControlMaster=no -o "
                "ControlPath=none.",
      .reference = "puppetlabs/r10k#169, golang/go#13453, datalad/datalad#5465"},
     look_for_mux_masters},
    {{.id = "R14",
      .name = "agent keeps the pipe",
      .signature = "As R12, and the holder is an agent (gpg-agent, ssh-agent, dirmngr, …).",
      .sentence = "The stage started its agent, which lives on with the stage's output.",
      .advice = "Start the agent before the pipeline (gpgconf --launch gpg-agent); end this one.",
      .reference = "reyamira/pass-cli#134"},
     look_for_agents},
    {{.id = "R15",
      .name = "reader holds its own write end",
      .signature = "A process sleeps on an empty pipe of which it is itself the only writer.",
      .sentence = "It inherited both ends. As long as it lives, its input does not end.",
      .advice = "End it. Whoever starts it must close the write end there.",
      .reference = "andrewchambers/janetsh#1, famzah/popen-noshell#7"},
     look_for_own_writer},
    {{.id = "R16",
      .name = "supervisor kept its copy",
      .signature = "A reader sleeps on an empty pipe whose write end an ancestor of it kept; the "
                   "ancestor itself waits for its children.",
      .sentence = "Whoever made the pipe did not close its own ends after starting the stages.",
      .advice = "Only that program can close it. End the pipeline.",
      .reference = "rust-lang/rust#98209, souk4711/hakoniwa#123"},
     look_for_supervisors},
    {{.id = "R17",
      .name = "read end leaked",
      .signature = "A writer sleeps on a full pipe; everybody else who holds the read end is a "
                   "stray (as in R11 to R14) at a descriptor that is not its input, and neither "
                   "reads nor polls.",
      .sentence = "The reader is dead, but a copy of its end lives on: the writer waits instead "
                  "of being told.",
      .advice = "End the holder; the writer then ends with SIGPIPE, and its job has failed.",
      .reference = "andrewchambers/janetsh#1, golang/go#22315"},
     look_for_stray_readers},
    {{.id = "R18",
      .name = "hidden holder",
      .signature = "A reader sleeps on an empty pipe that does not hang up, and no descriptor "
                   "table shows a writer.",
      .sentence = "The write end is where no table is: in a message under way, in another "
                  "namespace, in the kernel, or in a process that we may not read.",
      .advice = "Run the doctor with more rights; else end the pipeline.",
      .reference = "openzfs/zfs#13571, measured with SCM_RIGHTS"},
     look_for_hidden_writers},
    {{.id = "R19",
      .name = "far side keeps the session",
      .signature = "An ssh that others wait for has been idle in poll for long, its connection "
                   "established.",
      .sentence = "Only the other machine knows: sshd keeps a session until everything that was "
                  "started there has let go of its output.",
      .advice = "Run the doctor there; redirect all three streams of what runs in the background.",
      .reference = "http://www.snailbook.com/faq/background-jobs.auto.html"},
     look_for_remote_leftovers},
};

}  // namespace

std::span<const Rule> leak_rules() {
  return kRules;
}

}  // namespace penstock::doctor
