#include "doctor/looking.h"

#include <algorithm>
#include <deque>

#include "base/text.h"

namespace penstock::doctor {

using procfs::Descriptor;

const Process* was(const Scene& scene, const Process& process) {
  return scene.find_before(process.id());
}

std::string_view program_of(const Process& process) {
  if (process.arguments && !process.arguments->empty()) {
    std::string_view name = base_name(process.arguments->front());
    if (name.starts_with('-')) name.remove_prefix(1);  // a login shell
    if (!name.empty()) return name;
  }
  return process.stat.comm;
}

bool is_program(const Process& process, std::initializer_list<std::string_view> names) {
  const std::string_view name = program_of(process);
  return std::ranges::any_of(
      names, [&](std::string_view known) { return known == process.stat.comm || known == name; });
}

const Descriptor* descriptor_of(const Process& process, int fd) {
  if (!process.descriptors) return nullptr;
  const auto it = std::ranges::find(*process.descriptors, fd, &Descriptor::fd);
  return it == process.descriptors->end() ? nullptr : &*it;
}

ino_t pipe_at(const Process& process, int fd) {
  const Descriptor* file = descriptor_of(process, fd);
  return file != nullptr && file->is_pipe() ? file->inode : 0;
}

const Wait* steady_wait(const Scene& scene, const Process& process,
                        std::initializer_list<WaitKind> kinds) {
  for (const Wait* wait : scene.waits_of(process.stat.pid)) {
    if (wait->steady && std::ranges::find(kinds, wait->kind) != kinds.end()) return wait;
  }
  return nullptr;
}

bool is_at_rest(const Scene& scene, const Process& process) {
  if (scene.moved(process.stat.pid) || !scene.is_told(process.stat.pid)) return false;
  return std::ranges::all_of(scene.waits_of(process.stat.pid),
                             [](const Wait* wait) { return wait->steady; });
}

std::optional<double> resting_for(const Scene& scene, const Process& process) {
  std::optional<double> shortest;
  for (const Wait* wait : scene.waits_of(process.stat.pid)) {
    if (!wait->idle_s) return std::nullopt;
    shortest = std::min(shortest.value_or(*wait->idle_s), *wait->idle_s);
  }
  return shortest;
}

bool rests_longer_than(const Scene& scene, const Process& process, double seconds) {
  if (!is_at_rest(scene, process)) return false;
  return resting_for(scene, process).value_or(scene.seconds_between()) >= seconds;
}

std::string what_it_does(const Scene& scene, const Process& process) {
  if (process.is_zombie()) return "has ended, and is not reaped";
  if (scene.moved(process.stat.pid)) return "is at work";
  for (const Wait* wait : scene.waits_of(process.stat.pid)) {
    if (!wait->steady) continue;
    std::string text(name_of(wait->kind));
    const bool is_verb = text.starts_with("waits ") || text.starts_with("sleeps ");
    if (!is_verb) text.insert(0, "is ");
    if (wait->pipe != 0) text += cat(", pipe ", wait->pipe);
    if (!wait->function.empty()) text += cat(" (", wait->function, ")");
    return text;
  }
  return "sleeps in something that we are not told";
}

namespace {

// Everybody else who holds the other end of one of its pipes.
std::vector<const Process*> neighbours(const Scene& scene, const Process& process) {
  std::vector<const Process*> found;
  if (!process.descriptors) return found;
  const auto add = [&](const std::vector<Holder>& holders) {
    for (const Holder& holder : holders) {
      if (holder.process->stat.pid != process.stat.pid) found.push_back(holder.process);
    }
  };
  for (const Descriptor& file : *process.descriptors) {
    if (!file.is_pipe() || file.inode == 0) continue;
    if (file.reads) add(scene.writers(file.inode));
    if (file.writes) add(scene.readers(file.inode));
  }
  return found;
}

}  // namespace

bool is_stage(const Scene& scene, const Process& process) {
  return !neighbours(scene, process).empty();
}

namespace {

bool holds_gate(const Scene& scene, const Process& process) {
  return std::ranges::any_of(scene.gates(), [&](const GateText& gate) {
    return std::ranges::find(gate.holders, process.id()) != gate.holders.end();
  });
}

// A parent that collects its children's output is no stage of theirs; a relay of ours is.
bool are_stages_of_one(const Scene& scene, const Process& one, const Process& other) {
  if (holds_gate(scene, one) || holds_gate(scene, other)) return true;
  return !scene.is_ancestor(one.stat.pid, other.stat.pid) &&
         !scene.is_ancestor(other.stat.pid, one.stat.pid);
}

}  // namespace

std::set<pid_t> pipeline_of(const Scene& scene, const Process& process) {
  std::set<pid_t> found = {process.stat.pid};
  std::deque<const Process*> open = {&process};
  while (!open.empty()) {
    const Process* next = open.front();
    open.pop_front();
    for (const Process* other : neighbours(scene, *next)) {
      if (!other->looked_at || !are_stages_of_one(scene, *next, *other)) continue;
      if (found.insert(other->stat.pid).second) open.push_back(other);
    }
  }
  return found;
}

Node node_of(const Process& process) {
  return {.process = process.id(), .external = {}};
}

Node root_of(const WaitGraph& graph, Node node) {
  std::set<Node> seen = {node};
  for (;;) {
    const Edge* next = nullptr;
    for (const Edge* edge : graph.from(node)) {
      if (edge->strong && !edge->to.is_external() && !seen.contains(edge->to)) {
        next = edge;
        break;
      }
    }
    if (next == nullptr) return node;
    node = next->to;
    seen.insert(node);
  }
}

bool input_ended(const Scene& scene, const Process& process) {
  const ino_t pipe = pipe_at(process, 0);
  return pipe != 0 && scene.is_empty(pipe) == true && scene.has_writer(pipe) == false;
}

bool is_in_commit_tail(const Scene& scene, const Process& process) {
  if (!input_ended(scene, process)) return false;
  if (steady_wait(scene, process, {WaitKind::zfs, WaitKind::disk}) != nullptr) return true;
  // In and out of the disk: what it sleeps in changes.
  return scene.moved(process.stat.pid) && is_program(process, {"zfs", "btrfs"});
}

Finding finding_about(const Examination& examination, const RuleInfo& rule,
                      const Process& culprit) {
  return {.rule = &rule,
          .culprit = culprit.id(),
          .victims = examination.graph.victims_of(node_of(culprit)),
          .pipe = std::nullopt,
          .since_s = resting_for(examination.scene, culprit),
          .sentence = {},
          .evidence = {},
          .remedies = {}};
}

void add_victim(Finding& finding, const Process& process) {
  if (std::ranges::find(finding.victims, process.id()) != finding.victims.end()) return;
  std::vector<ProcessId> victims = {process.id()};
  victims.insert(victims.end(), finding.victims.begin(), finding.victims.end());
  finding.victims = std::move(victims);
}

bool has_victims(const Examination& examination, const Process& process) {
  return !examination.graph.victims_of(node_of(process)).empty();
}

Severity weight_of(const Examination& examination, const Process& process) {
  const bool holds_up = is_stage(examination.scene, process) || has_victims(examination, process);
  return holds_up ? Severity::stuck : Severity::warning;
}

Remedy by_hand(const Process& target, std::string command, std::string risk) {
  return {.step = Step::wait,
          .target = target.id(),
          .pipe = std::nullopt,
          .others = {},
          .command = std::move(command),
          .risk = std::move(risk)};
}

Remedy end_holder(const Process& target, std::string risk) {
  return {.step = Step::end_holder,
          .target = target.id(),
          .pipe = std::nullopt,
          .others = {},
          .command = cat("kill ", target.stat.pid),
          .risk = std::move(risk)};
}

Remedy end_pipeline(const Scene& scene, const Process& target) {
  Remedy remedy{.step = Step::end_all,
                .target = target.id(),
                .pipe = std::nullopt,
                .others = {},
                .command = cat("kill ", target.stat.pid),
                .risk = "all stages end; run the job again"};
  for (const pid_t pid : pipeline_of(scene, target)) {
    const Process* other = scene.find(pid);
    if (other == nullptr || pid == target.stat.pid) continue;
    // Whoever started it is not a stage, and who is in another group was not started with it.
    if (other->stat.group != target.stat.group || scene.is_ancestor(pid, target.stat.pid)) continue;
    const ProcessId id = other->id();
    remedy.others.push_back(id);
    remedy.command += cat(" ", pid);
  }
  return remedy;
}

bool keeps_logs(const Process& process) {
  const std::string& name = process.stat.comm;
  constexpr std::string_view kLoggers[] = {
      "dockerd", "containerd-shim", "conmon", "systemd-journal", "rsyslogd", "syslog-ng",
      "podman",  "s6-log",          "svlogd", "multilog",        "runc"};
  return std::ranges::any_of(kLoggers,
                             [&](std::string_view known) { return name.starts_with(known); });
}

}  // namespace penstock::doctor
