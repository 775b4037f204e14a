// Chapter H of docs/diagnosis/rules.md: what looks stuck and is not, the leftovers of an earlier
// run, and the gate that is shut on purpose.
#include <algorithm>

#include "base/text.h"
#include "doctor/looking.h"
#include "doctor/strays.h"

namespace penstock::doctor {

namespace {

using procfs::Descriptor;

bool is_told_stuck(const Examination& examination, const std::set<pid_t>& pids) {
  const auto is_one = [&](const ProcessId& id) { return pids.contains(id.pid); };
  return std::ranges::any_of(examination.findings, [&](const Finding& finding) {
    return finding.severity == Severity::stuck &&
           (is_one(finding.culprit) || std::ranges::any_of(finding.victims, is_one));
  });
}

void look_for_commit_tails(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const Process* process : scene.processes()) {
    if (process->is_zombie() || !is_in_commit_tail(scene, *process)) continue;
    if (is_told_stuck(examination, {process->stat.pid})) continue;
    Finding finding = finding_about(examination, rule, *process);
    finding.pipe = pipe_at(*process, 0);
    finding.severity = Severity::info;
    finding.certainty = Certainty::likely;
    finding.sentence = cat(name_of(*process),
                           " has got its whole input and is still at work on it;"
                           " minutes of that are usual.");
    finding.evidence.push_back(cat("POLLHUP on pipe ", *finding.pipe, ", which is empty"));
    finding.evidence.push_back(cat(name_of(*process), " ", what_it_does(scene, *process)));
    examination.findings.push_back(std::move(finding));
  }
}

// Bytes or processor time; that a thread was woken (by a timer, say) does not carry a pipeline on.
// Whoever holds a gate does other things as well; what it relays its neighbours show.
bool gets_on(const Scene& scene, const Process& process) {
  if (scene.holds_gate(process.id())) return false;
  const Process* before = was(scene, process);
  if (before == nullptr || before->cpu_ticks != process.cpu_ticks) return true;
  if (before->io && process.io) return !(*before->io == *process.io);
  return scene.moved(process.stat.pid);
}

bool fill_changed(const Scene& scene, ino_t pipe) {
  const procfs::PipeFacts* before = scene.facts_before(pipe);
  const procfs::PipeFacts* now = scene.facts(pipe);
  return before != nullptr && now != nullptr && before->queued && now->queued &&
         before->queued != now->queued;
}

std::optional<bool> is_full_now(const Scene& scene, ino_t pipe) {
  const procfs::PipeFacts* facts = pipe == 0 ? nullptr : scene.facts(pipe);
  if (facts == nullptr || !facts->writable) return std::nullopt;
  return !*facts->writable;
}

// The one whose input is full and whose output is not; else the one that computes most.
const Process* slowest_of(const Scene& scene, const std::set<pid_t>& pids) {
  const Process* busiest = nullptr;
  uint64_t most = 0;
  for (const pid_t pid : pids) {
    const Process* process = scene.find(pid);
    const Process* before = was(scene, *process);
    if (before == nullptr) continue;
    const bool is_fed = is_full_now(scene, pipe_at(*process, 0)) == true;
    const bool is_read = is_full_now(scene, pipe_at(*process, 1)) != true;
    if (is_fed && is_read) return process;
    const uint64_t ticks = process->cpu_ticks - before->cpu_ticks;
    if (busiest == nullptr || ticks > most) {
      busiest = process;
      most = ticks;
    }
  }
  return busiest;
}

void add_throttling(const Scene& scene, const Process& process, Finding& finding) {
  if (!process.cgroup) return;
  const auto now = scene.now().cgroups.find(*process.cgroup);
  const auto before = scene.before().cgroups.find(*process.cgroup);
  if (now == scene.now().cgroups.end() || before == scene.before().cgroups.end()) return;
  if (now->second.throttled_us.value_or(0) > before->second.throttled_us.value_or(0)) {
    finding.evidence.push_back(cat(printable(*process.cgroup), " is throttled (cpu.max)"));
  }
  if (now->second.memory_high.value_or(0) > before->second.memory_high.value_or(0)) {
    finding.evidence.push_back(cat(printable(*process.cgroup), " is held back (memory.high)"));
  }
}

std::string rate_text(double bytes) {
  return cat(human_bytes(static_cast<uint64_t>(bytes)), "/s");
}

void add_slow(Examination& examination, const RuleInfo& rule, const std::set<pid_t>& pids) {
  const Scene& scene = examination.scene;
  const Process* slowest = slowest_of(scene, pids);
  if (slowest == nullptr) return;
  const auto rate = scene.rate(slowest->stat.pid);
  Finding finding = finding_about(examination, rule, *slowest);
  finding.victims.clear();
  finding.since_s.reset();
  finding.severity = Severity::info;
  finding.certainty = Certainty::certain;
  finding.sentence = cat("The pipeline gets on. Its slowest stage is ", name_of(*slowest));
  finding.sentence += rate ? cat(": it reads ", rate_text(rate->read), " and writes ",
                                 rate_text(rate->written), ".")
                           : std::string(".");
  for (const pid_t pid : pids) {
    const auto pace = scene.rate(pid);
    if (!pace) continue;
    finding.evidence.push_back(cat(name_of(*scene.find(pid)), ": reads ", rate_text(pace->read),
                                   ", writes ", rate_text(pace->written)));
  }
  add_throttling(scene, *slowest, finding);
  examination.findings.push_back(std::move(finding));
}

bool is_named(const Examination& examination, std::string_view rule, const std::set<pid_t>& pids) {
  return std::ranges::any_of(examination.findings, [&](const Finding& finding) {
    return finding.rule != nullptr && rule == finding.rule->id &&
           pids.contains(finding.culprit.pid);
  });
}

bool any_gets_on(const Scene& scene, const std::set<pid_t>& pids) {
  return std::ranges::any_of(pids, [&](pid_t pid) {
    const Process* process = scene.find(pid);
    if (process == nullptr) return false;
    return gets_on(scene, *process) || fill_changed(scene, pipe_at(*process, 1));
  });
}

void look_for_slowness(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  std::set<pid_t> done;
  for (const Process* process : scene.processes()) {
    if (done.contains(process->stat.pid) || process->is_zombie()) continue;
    const std::set<pid_t> pids = pipeline_of(scene, *process);
    done.insert(pids.begin(), pids.end());
    if (pids.size() < 2 || !any_gets_on(scene, pids) || is_told_stuck(examination, pids)) continue;
    // Whoever waits for a source that works has been told so.
    if (is_named(examination, "R49", pids) || is_named(examination, "R47", pids)) continue;
    add_slow(examination, rule, pids);
  }
}

bool is_relay(const Scene& scene, const Process& process) {
  return std::ranges::any_of(scene.gates(), [&](const GateText& gate) {
    return std::ranges::find(gate.holders, process.id()) != gate.holders.end();
  });
}

// A source: it reads no pipe that somebody else writes.
bool is_source(const Scene& scene, const Process& process) {
  if (!process.descriptors || is_relay(scene, process)) return false;
  const ino_t input = pipe_at(process, 0);
  return input == 0 || scene.has_writer(input) == false;
}

// Asleep on an empty pipe; a relay of ours waits for all that it has at once.
bool waits_for_input(const Scene& scene, const Process& process) {
  if (!is_at_rest(scene, process)) return false;
  if (is_relay(scene, process)) return true;
  const Wait* wait = steady_wait(scene, process, {WaitKind::pipe_read});
  return wait != nullptr && scene.is_empty(wait->pipe) == true;
}

bool may_yet_have_something(const Scene& scene, const Process& source) {
  if (scene.moved(source.stat.pid)) return true;
  return is_at_rest(scene, source) &&
         steady_wait(scene, source,
                     {WaitKind::disk, WaitKind::network, WaitKind::asleep, WaitKind::poll,
                      WaitKind::zfs, WaitKind::unix_socket}) != nullptr;
}

void look_for_late_sources(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const Process* source : scene.processes()) {
    const ino_t output = pipe_at(*source, 1);
    if (output == 0 || scene.is_empty(output) != true || source->is_zombie()) continue;
    if (!is_source(scene, *source) || !may_yet_have_something(scene, *source)) continue;
    const std::set<pid_t> pids = pipeline_of(scene, *source);
    const bool all_wait = std::ranges::all_of(pids, [&](pid_t pid) {
      return pid == source->stat.pid || waits_for_input(scene, *scene.find(pid));
    });
    if (pids.size() < 2 || !all_wait || is_told_stuck(examination, pids)) continue;
    Finding finding = finding_about(examination, rule, *source);
    finding.pipe = output;
    finding.severity = Severity::info;
    finding.certainty =
        may_have_hidden_stage(scene, *source) ? Certainty::likely : Certainty::certain;
    finding.sentence =
        cat("All pipes are empty and everybody waits for ", name_of(*source),
            ", which has nothing for them yet: it ", what_it_does(scene, *source), ".");
    finding.evidence.push_back(cat("pipe ", output, ": ", scene.describe(output)));
    examination.findings.push_back(std::move(finding));
  }
}

// With -d and -e the stream says the dataset's name.
bool is_named_by_stream(const std::string& option) {
  return option.size() > 1 && option[0] == '-' && option[1] != '-' &&
         option.find_first_of("de", 1) != std::string::npos;
}

// The dataset that a `zfs receive` writes to; empty: none, or it cannot be known.
std::string target_of(const Process& process) {
  if (!process.arguments || process.is_zombie() || !is_program(process, {"zfs"})) return "";
  const std::vector<std::string>& words = *process.arguments;
  const auto verb = std::ranges::find_if(
      words, [](const std::string& word) { return word == "receive" || word == "recv"; });
  if (verb == words.end() || verb == std::prev(words.end())) return "";
  if (std::any_of(verb, words.end(), is_named_by_stream) || words.back().starts_with('-')) {
    return "";
  }
  return words.back().substr(0, words.back().find('@'));
}

bool is_orphan(const Scene& scene, const Process& process) {
  if (process.stat.parent <= 1) return true;
  const Process* parent = scene.find(process.stat.parent);
  return parent == nullptr || parent->stat.comm == "sshd" || parent->stat.comm == "systemd";
}

void add_leftover(Examination& examination, const RuleInfo& rule, const Process& old,
                  const Process& young, const std::string& target) {
  const Scene& scene = examination.scene;
  Finding finding = finding_about(examination, rule, old);
  add_victim(finding, young);
  finding.severity = scene.moved(old.stat.pid) ? Severity::warning : Severity::stuck;
  finding.certainty = is_orphan(scene, old) ? Certainty::certain : Certainty::likely;
  finding.sentence = cat(name_of(old), " already receives into ", printable(target),
                         is_orphan(scene, old) ? ", left over from an earlier run" : "", "; ",
                         name_of(young), " wants the same.");
  finding.evidence.push_back(
      cat(name_of(old), ": ", printable(shell_join(*old.arguments)), "; parent ", old.stat.parent));
  finding.evidence.push_back(cat(name_of(young), ": ", printable(shell_join(*young.arguments))));
  // Who writes into it first: a receive that loses its input ends by itself.
  for (const Holder& holder : scene.writers(pipe_at(old, 0))) {
    if (holder.process->stat.pid == old.stat.pid) continue;
    finding.remedies.push_back(
        end_holder(*holder.process, "the earlier transfer is given up; its receive then ends"));
  }
  finding.remedies.push_back(end_holder(old, "the earlier transfer is given up"));
  examination.findings.push_back(std::move(finding));
}

void look_for_leftovers(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  std::map<std::string, std::vector<const Process*>> receivers;
  for (const Process* process : scene.processes()) {
    const std::string target = target_of(*process);
    if (!target.empty()) receivers[target].push_back(process);
  }
  for (auto& [target, rivals] : receivers) {
    std::ranges::sort(rivals, {}, [](const Process* each) { return each->stat.start_time; });
    const Process& old = *rivals.front();
    const Process& young = *rivals.back();
    // One process tree is one receive.
    if (rivals.size() < 2 || scene.is_ancestor(old.stat.pid, young.stat.pid)) continue;
    add_leftover(examination, rule, old, young, target);
  }
}

// What the gate keeps from the command, as far as it can be seen from outside.
struct AtGate {
  const GateText& gate;
  const Process& command;
};

const Process* living(const Scene& scene, const GateText::Stage& stage) {
  const Process* process = scene.find(stage.id);
  return process == nullptr || process->is_zombie() ? nullptr : process;
}

bool is_stage_of(const GateText& gate, const Process& process) {
  return std::ranges::find(gate.stages, process.id(), &GateText::Stage::id) != gate.stages.end();
}

// Nothing: its table is not told.
std::optional<bool> has_open_output(const Scene& scene, const GateText& gate,
                                    const Process& stage) {
  if (!stage.descriptors) return std::nullopt;
  return std::ranges::any_of(*stage.descriptors, [&](const Descriptor& file) {
    if (!file.is_pipe() || !file.writes) return false;
    if (file.inode == gate.upstream || file.inode == gate.pipe) return true;
    return std::ranges::any_of(scene.readers(file.inode), [&](const Holder& holder) {
      return holder.process->id() != stage.id() && is_stage_of(gate, *holder.process);
    });
  });
}

enum class Output { open, closed, spent };
// Spent: open still, but there is nothing left that it could write.
Output output_of(const Scene& scene, const GateText& gate, const Process& stage) {
  if (has_open_output(scene, gate, stage) == false) return Output::closed;
  const bool waits = steady_wait(scene, stage,
                                 {WaitKind::child, WaitKind::futex, WaitKind::lock,
                                  WaitKind::asleep, WaitKind::unix_socket}) != nullptr;
  return waits && input_ended(scene, stage) ? Output::spent : Output::open;
}

void add_wait_at_gate(Examination& examination, const RuleInfo& rule, const AtGate& at,
                      const Process& stage, Output output) {
  const Scene& scene = examination.scene;
  Finding finding = finding_about(examination, rule, stage);
  add_victim(finding, at.command);
  finding.pipe = at.gate.pipe;
  // Writing out what it has, say: that ends by itself.
  const bool is_on_disk = steady_wait(scene, stage, {WaitKind::disk, WaitKind::zfs}) != nullptr;
  finding.severity = is_on_disk ? Severity::info : Severity::stuck;
  finding.certainty = Certainty::certain;
  finding.sentence = cat(name_of(at.command), " waits at the gate of job ", printable(at.gate.job),
                         ": ", name_of(stage),
                         output == Output::closed ? " has closed its output" : " has no input left",
                         " but has not exited, so whether it succeeded is not known. It ",
                         what_it_does(scene, stage), ".");
  finding.evidence.push_back(
      cat("penstock-gate:", at.gate.pipe, " is shut; upstream is pipe ", at.gate.upstream));
  const Node root = root_of(examination.graph, node_of(stage));
  for (const Edge* edge : examination.graph.from(node_of(stage))) {
    if (edge->strong) finding.evidence.push_back(edge->sentence);
  }
  const Process* last = scene.find(root.process);
  if (last != nullptr && last->id() != stage.id() && last->id() != at.command.id()) {
    finding.sentence += cat(" In the end it waits for ", name_of(*last), ", which ",
                            what_it_does(scene, *last), ".");
    finding.remedies.push_back(end_holder(*last, cat(name_of(stage),
                                                     " goes on; how it then ends "
                                                     "decides about the job")));
  } else {
    finding.remedies.push_back(
        end_holder(stage, "the job fails and is tried again; the command never sees a cut stream"));
  }
  examination.findings.push_back(std::move(finding));
}

// All stages are gone, and none of them left a writer behind: the holder should have decided.
bool is_forgotten(const Scene& scene, const GateText& gate) {
  constexpr double kMoreThanTheGrace = 3;  // seconds: a writer left behind is given two
  if (gate.upstream != 0 && std::ranges::binary_search(scene.pipes(), gate.upstream) &&
      scene.has_writer(gate.upstream) != false) {
    return false;
  }
  for (const Holder& holder : scene.writers(gate.pipe)) {
    if (std::ranges::find(gate.holders, holder.process->id()) == gate.holders.end()) return false;
  }
  return !gate.holders.empty() && std::ranges::all_of(gate.holders, [&](const ProcessId& id) {
    const Process* process = scene.find(id);
    return process != nullptr && is_at_rest(scene, *process) &&
           resting_for(scene, *process).value_or(kMoreThanTheGrace) >= kMoreThanTheGrace;
  });
}

void add_our_bug(Examination& examination, const RuleInfo& rule, const AtGate& at) {
  const Scene& scene = examination.scene;
  const Process& holder = *scene.find(at.gate.holders.front());
  Finding finding = finding_about(examination, rule, holder);
  add_victim(finding, at.command);
  finding.pipe = at.gate.pipe;
  finding.severity = Severity::stuck;
  finding.certainty = Certainty::certain;
  finding.sentence = cat(name_of(at.command), " waits at the gate of job ", printable(at.gate.job),
                         ", all stages upstream are gone, and ", name_of(holder),
                         " does nothing about it. That is our bug: please report it, with what "
                         "penstock doctor --save wrote.");
  for (const ProcessId& id : at.gate.holders) {
    const Process& each = *scene.find(id);
    finding.evidence.push_back(
        cat(name_of(each), " holds the gate and ", what_it_does(scene, each)));
  }
  examination.findings.push_back(std::move(finding));
}

void look_at_gate(Examination& examination, const RuleInfo& rule, const AtGate& at) {
  const Scene& scene = examination.scene;
  bool any_lives = false;
  for (size_t i = 0; i + 1 < at.gate.stages.size(); ++i) {
    const Process* stage = living(scene, at.gate.stages[i]);
    if (stage == nullptr) continue;
    any_lives = true;
    if (!is_at_rest(scene, *stage)) continue;
    const Output output = output_of(scene, at.gate, *stage);
    if (output == Output::open) continue;
    add_wait_at_gate(examination, rule, at, *stage, output);
    return;
  }
  if (!any_lives && is_forgotten(scene, at.gate)) add_our_bug(examination, rule, at);
}

void look_at_gates(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const GateText& gate : scene.gates()) {
    if (!gate.shut || gate.stages.size() < 2 || scene.is_empty(gate.pipe) == false) continue;
    const auto waits = scene.steady_on(WaitKind::pipe_read, gate.pipe);
    if (waits.empty()) continue;
    const Process* command = scene.find(waits.front()->process);
    if (command != nullptr) look_at_gate(examination, rule, {gate, *command});
  }
}

constexpr Rule kRules[] = {
    {{.id = "R51",
      .name = "waits at a gate",
      .signature =
          "A command sleeps on the empty pipe of a shut gate (a memfd penstock-gate:INODE "
          "beside its write end), and a stage upstream that lives has closed its output, or "
          "has no input left and waits for something else.",
      .sentence = "The gate is shut on purpose: as long as a stage has not exited, nobody knows "
                  "whether the stream is whole. The culprit is that stage, and what it waits for.",
      .advice =
          "Nothing on the gate, ever. Look at what the stage waits for: an agent, a lock, a child "
          "that it left. If no stage is alive, it is a bug of ours: report it.",
      .reference = "docs/design/design.md, section 5"},
     look_at_gates},
    {{.id = "R47",
      .name = "commit tail",
      .signature =
          "A stage's input has ended (POLLHUP, empty), and it sleeps inside ZFS or on disk.",
      .sentence = "All bytes are there, and are being made durable.",
      .advice = "Wait: minutes are usual. Its exit status decides.",
      .reference = "jimsalterjrs/sanoid#120, berrym/btrfs-backup-ng#107"},
     look_for_commit_tails},
    {{.id = "R49",
      .name = "source has nothing yet",
      .signature =
          "All pipes are empty, all other stages sleep in a read, and the first one works, or "
          "waits for disk, network or a time.",
      .sentence = "Everybody waits for the first stage, as they should.",
      .advice = "Look at what the first stage waits for.",
      .reference = "docs/diagnosis/rules.md"},
     look_for_late_sources},
    {{.id = "R48",
      .name = "slow, not stuck",
      .signature = "Bytes, processor time or the fill of a pipe changed between the snapshots.",
      .sentence =
          "The pipeline gets on; the slowest stage is the one whose input is full and whose "
          "output is not.",
      .advice =
          "None needed. See whether its control group is throttled (cpu.max, memory.high). Do "
          "not end transfers by the clock.",
      .reference = "oetiker/znapzend#341"},
     look_for_slowness},
    {{.id = "R50",
      .name = "leftover of an earlier run",
      .signature =
          "Two processes receive into the same dataset; the older one is an orphan, or belongs "
          "to a connection's server.",
      .sentence = "The other side of an earlier run died, and its receive lives on and holds the "
                  "target.",
      .advice = "End whoever writes into the old receive, then the receive itself.",
      .reference = "jimsalterjrs/sanoid#814, jimsalterjrs/sanoid#744, oetiker/znapzend#344"},
     look_for_leftovers},
};

}  // namespace

std::span<const Rule> healthy_rules() {
  return kRules;
}

}  // namespace penstock::doctor
