#include "doctor/scene.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "doctor/sleep.h"

namespace penstock::doctor {

using procfs::Descriptor;
using procfs::PipeFacts;
using procfs::Snapshot;
using procfs::Task;

namespace {

constexpr std::string_view kGateName = "penstock-gate:";

template <typename Key, typename Thing>
void index(const std::map<Key, Thing>& all, std::unordered_map<Key, const Thing*>& places) {
  places.reserve(all.size());
  for (const auto& [key, thing] : all) places.emplace(key, &thing);
}

template <typename Key, typename Thing>
Thing* look_up(const std::unordered_map<Key, Thing*>& places, Key key) {
  const auto it = places.find(key);
  return it == places.end() ? nullptr : it->second;
}

// Nothing if the number was given out anew.
const Process* look_up(const std::unordered_map<pid_t, const Process*>& places,
                       const ProcessId& id) {
  const Process* process = look_up(places, id.pid);
  return process != nullptr && process->id() == id ? process : nullptr;
}

pid_t parent_of(const Process* process) {
  return process->stat.parent;
}

// What both snapshots say alike.
template <typename T>
std::optional<T> agreed(const Scene& scene, ino_t pipe, std::optional<T> PipeFacts::*fact) {
  const PipeFacts* before = scene.facts_before(pipe);
  const PipeFacts* now = scene.facts(pipe);
  if (before == nullptr || now == nullptr || before->*fact != now->*fact) return std::nullopt;
  return now->*fact;
}

const Task* find_task(const Process& process, pid_t tid) {
  const auto it = std::ranges::find(process.tasks, tid, &Task::tid);
  return it == process.tasks.end() ? nullptr : &*it;
}

// Not told means not known to be the same.
bool has_not_run(const Task& before, const Task& now) {
  return before.state == now.state && now.voluntary_switches &&
         before.voluntary_switches == now.voluntary_switches &&
         before.involuntary_switches == now.involuntary_switches;
}

bool sleeps_alike(const Wait& before, const Wait& now) {
  return before.kind == now.kind && before.fd == now.fd && before.pipe == now.pipe &&
         now.kind != WaitKind::awake;
}

bool task_moved(const Process& before, const Task& now) {
  const Task* was = find_task(before, now.tid);
  return was == nullptr || was->voluntary_switches != now.voluntary_switches ||
         was->involuntary_switches != now.involuntary_switches || now.state == 'R';
}

bool positions_moved(const Process& before, const Process& now) {
  if (!before.descriptors || !now.descriptors) return false;
  for (const Descriptor& file : *now.descriptors) {
    const auto was = std::ranges::find(*before.descriptors, file.fd, &Descriptor::fd);
    if (was == before.descriptors->end()) return true;
    if (was->target == file.target && was->position != file.position) return true;
  }
  return false;
}

bool counters_moved(const Process& before, const Process& now) {
  if (before.cpu_ticks != now.cpu_ticks) return true;
  if (before.io && now.io && *before.io != *now.io) return true;
  if (before.tasks.size() != now.tasks.size()) return true;
  const bool ran =
      std::ranges::any_of(now.tasks, [&](const Task& task) { return task_moved(before, task); });
  return ran || positions_moved(before, now);
}

// The pipe that a gate's memfd is named after; 0: it is something else.
ino_t gated_pipe(const Descriptor& file) {
  if (file.kind != procfs::FileKind::memfd) return 0;
  const size_t at = file.target.find(kGateName);
  if (at == std::string::npos) return 0;
  const char* first = file.target.data() + at + kGateName.size();
  ino_t inode = 0;
  std::from_chars(first, file.target.data() + file.target.size(), inode);
  return inode;
}

}  // namespace

std::string_view name_of(WaitKind kind) {
  switch (kind) {
    case WaitKind::awake:
      return "awake";
    case WaitKind::untold:
      return "asleep, not told in what";
    case WaitKind::pipe_read:
      return "asleep in read";
    case WaitKind::pipe_write:
      return "asleep in write";
    case WaitKind::fifo_open:
      return "asleep in open";
    case WaitKind::poll:
      return "asleep in poll";
    case WaitKind::futex:
      return "asleep on a thread's lock";
    case WaitKind::child:
      return "waits for a child";
    case WaitKind::lock:
      return "waits for a file lock";
    case WaitKind::terminal:
      return "waits for the terminal";
    case WaitKind::unix_socket:
      return "waits on a UNIX socket";
    case WaitKind::network:
      return "waits for the network";
    case WaitKind::zfs:
      return "waits inside ZFS";
    case WaitKind::network_disk:
      return "waits for NFS or FUSE";
    case WaitKind::disk:
      return "in uninterruptible sleep";
    case WaitKind::stopped:
      return "stopped";
    case WaitKind::traced:
      return "stopped by a tracer";
    case WaitKind::frozen:
      return "frozen";
    case WaitKind::asleep:
      return "sleeps of its own accord";
    case WaitKind::zombie:
      return "ended, not yet reaped";
    case WaitKind::other:
      return "asleep";
  }
  return "?";
}

std::string name_of(const Process& process) {
  return cat(printable(process.stat.comm), " ", process.stat.pid);
}

Scene::Scene(const Snapshot& before, const Snapshot& now) : before_(before), now_(now) {
  index(before_.processes, processes_before_);
  index(now_.processes, processes_now_);
  index(before_.pipes, pipes_before_);
  index(now_.pipes, pipes_now_);
  index_holders();
  find_gates();
  children_.reserve(now_.processes.size());
  waits_of_.reserve(now_.processes.size());
  for (const auto& [pid, process] : now_.processes) {
    children_.push_back(&process);
    const Process* was = find_before(process.id());
    // Whoever holds a gate looks at the others, and his counters move; what he relays they show.
    const bool moved =
        was == nullptr || (counters_moved(*was, process) && !holds_gate(process.id()));
    if (moved) moved_.insert(pid);
    if (was == nullptr || !process.looked_at || !was->looked_at) continue;
    processes_.push_back(&process);
    find_waits(process);
  }
  std::ranges::stable_sort(children_, {}, parent_of);
  wait_places_.reserve(waits_.size());
  for (const Wait& wait : waits_) wait_places_.push_back(&wait);
  find_pipes();
}

void Scene::index_holders() {
  const auto add = [](std::vector<Holder>& holders, const Process& process, int fd) {
    if (holders.empty() || holders.back().process != &process) {
      holders.push_back({.process = &process, .fds = {}});
    }
    holders.back().fds.push_back(fd);
  };
  readers_.reserve(now_.pipes.size());
  writers_.reserve(now_.pipes.size());
  for (const auto& [pid, process] : now_.processes) {
    if (!process.descriptors) continue;
    for (const Descriptor& file : *process.descriptors) {
      if (!file.is_pipe() || file.inode == 0) continue;
      if (file.reads) add(readers_[file.inode], process, file.fd);
      if (file.writes) add(writers_[file.inode], process, file.fd);
    }
  }
}

void Scene::find_pipes() {
  for (const auto& [inode, facts] : now_.pipes) pipes_.push_back(inode);
  for (const Process* process : processes_) {
    if (!process->descriptors) continue;
    for (const Descriptor& file : *process->descriptors) {
      if (file.is_pipe() && file.inode != 0) pipes_.push_back(file.inode);
    }
  }
  std::ranges::sort(pipes_);
  const auto [first, last] = std::ranges::unique(pipes_);
  pipes_.erase(first, last);
}

void Scene::find_gates() {
  std::map<ino_t, GateText> found;
  for (const auto& [pid, process] : now_.processes) {
    if (!process.descriptors) continue;
    for (const Descriptor& file : *process.descriptors) {
      const ino_t pipe = gated_pipe(file);
      if (pipe == 0) continue;
      // A gate whose text cannot be read is a gate all the same.
      GateText text = parse_gate_text(file.content).value_or(GateText{.pipe = pipe});
      text.pipe = pipe;
      GateText& gate = found.try_emplace(pipe, text).first->second;
      if (gate.stages.empty() && !text.stages.empty()) {
        text.holders = std::move(gate.holders);
        gate = std::move(text);
      }
      if (gate.holders.empty() || gate.holders.back() != process.id()) {
        gate.holders.push_back(process.id());
      }
    }
  }
  for (auto& [pipe, gate] : found) gates_.push_back(std::move(gate));
}

bool Scene::holds_gate(const ProcessId& process) const {
  return std::ranges::any_of(gates_, [&](const GateText& gate) {
    return std::ranges::find(gate.holders, process) != gate.holders.end();
  });
}

void Scene::find_waits(const Process& process) {
  const size_t first = waits_.size();
  const Process& was = *find_before(process.id());
  for (const Task& task : process.tasks) {
    Wait wait = sleep_of(*this, now_, process, task);
    wait.idle_s = task.idle_s;
    const Task* task_was = find_task(was, task.tid);
    wait.steady = task_was != nullptr && has_not_run(*task_was, task) &&
                  task_was->wchan == task.wchan && task_was->syscall == task.syscall &&
                  sleeps_alike(sleep_of(*this, before_, was, *task_was), wait);
    // Its clock may be coarse; that it slept all the time between is known.
    if (wait.steady && wait.idle_s) wait.idle_s = std::max(*wait.idle_s, seconds_between());
    if (wait.steady) steady_on_[wait.pipe].push_back(waits_.size());
    waits_.push_back(std::move(wait));
  }
  if (process.tasks.empty()) {
    const Task leader{.tid = process.stat.pid, .state = process.stat.state};
    waits_.push_back(sleep_of(*this, now_, process, leader));
  }
  waits_of_[process.stat.pid] = {first, waits_.size() - first};
}

const Process* Scene::find(const ProcessId& id) const {
  return look_up(processes_now_, id);
}

const Process* Scene::find(pid_t pid) const {
  return look_up(processes_now_, pid);
}

const Process* Scene::find_before(const ProcessId& id) const {
  return look_up(processes_before_, id);
}

std::vector<const Process*> Scene::children(pid_t parent) const {
  const auto found = std::ranges::equal_range(children_, parent, {}, parent_of);
  return {found.begin(), found.end()};
}

bool Scene::is_ancestor(pid_t ancestor, pid_t descendant) const {
  const Process* process = find(descendant);
  // Snapshots are not atomic: numbers given out anew could close a circle.
  for (size_t steps = 0; process != nullptr && steps < now_.processes.size(); ++steps) {
    if (process->stat.parent == ancestor && process->stat.pid != ancestor) return true;
    process = find(process->stat.parent);
  }
  return false;
}

std::span<const Wait* const> Scene::waits_of(pid_t pid) const {
  const auto place = waits_of_.find(pid);
  if (place == waits_of_.end()) return {};
  return std::span(wait_places_).subspan(place->second.first, place->second.second);
}

std::vector<const Wait*> Scene::steady(WaitKind kind) const {
  std::vector<const Wait*> found;
  for (const Wait& wait : waits_) {
    if (wait.steady && wait.kind == kind) found.push_back(&wait);
  }
  return found;
}

std::vector<const Wait*> Scene::steady_on(WaitKind kind, ino_t pipe) const {
  std::vector<const Wait*> found;
  const auto places = steady_on_.find(pipe);
  if (places == steady_on_.end()) return found;
  for (const size_t i : places->second) {
    if (waits_[i].kind == kind) found.push_back(&waits_[i]);
  }
  return found;
}

bool Scene::moved(pid_t pid) const {
  return moved_.contains(pid);
}

bool Scene::is_told(pid_t pid) const {
  const auto waits = waits_of(pid);
  return !waits.empty() && std::ranges::none_of(waits, [](const Wait* wait) {
    return wait->kind == WaitKind::untold;
  });
}

std::optional<Scene::Rate> Scene::rate(pid_t pid) const {
  const Process* process = find(pid);
  if (process == nullptr) return std::nullopt;
  const Process* was = before_.find(process->id());
  if (was == nullptr || !was->io || !process->io || seconds_between() <= 0) return std::nullopt;
  if (holds_gate(process->id())) return std::nullopt;
  const auto per_second = [&](uint64_t from, uint64_t to) {
    return to < from ? 0.0 : static_cast<double>(to - from) / seconds_between();
  };
  return Rate{.read = per_second(was->io->read_bytes, process->io->read_bytes),
              .written = per_second(was->io->write_bytes, process->io->write_bytes)};
}

namespace {
const std::vector<Holder>& holders_of(const std::unordered_map<ino_t, std::vector<Holder>>& index,
                                      ino_t pipe) {
  static const std::vector<Holder> nobody;
  const auto it = index.find(pipe);
  return it == index.end() ? nobody : it->second;
}
}  // namespace

const std::vector<Holder>& Scene::readers(ino_t pipe) const {
  return holders_of(readers_, pipe);
}

const std::vector<Holder>& Scene::writers(ino_t pipe) const {
  return holders_of(writers_, pipe);
}

namespace {
bool held(const Snapshot& snapshot, ino_t pipe, bool Descriptor::*end) {
  return std::ranges::any_of(snapshot.processes, [&](const auto& entry) {
    const auto& table = entry.second.descriptors;
    return table && std::ranges::any_of(*table, [&](const Descriptor& file) {
             return file.is_pipe() && file.*end && file.inode == pipe;
           });
  });
}
}  // namespace

bool Scene::had_reader(ino_t pipe) const {
  return held(before_, pipe, &Descriptor::reads);
}

bool Scene::had_writer(ino_t pipe) const {
  return held(before_, pipe, &Descriptor::writes);
}

std::optional<bool> Scene::writable(ino_t pipe) const {
  return agreed(*this, pipe, &PipeFacts::writable);
}

std::optional<bool> Scene::has_writer(ino_t pipe) const {
  return agreed(*this, pipe, &PipeFacts::has_writer);
}

std::optional<bool> Scene::has_reader(ino_t pipe) const {
  return agreed(*this, pipe, &PipeFacts::has_reader);
}

std::optional<bool> Scene::is_empty(ino_t pipe) const {
  const PipeFacts* before = facts_before(pipe);
  const PipeFacts* now = facts(pipe);
  if (before == nullptr || now == nullptr || !before->queued || !now->queued) return std::nullopt;
  if ((*before->queued == 0) != (*now->queued == 0)) return std::nullopt;
  return *now->queued == 0;
}

const PipeFacts* Scene::facts(ino_t pipe) const {
  return look_up(pipes_now_, pipe);
}

const PipeFacts* Scene::facts_before(ino_t pipe) const {
  return look_up(pipes_before_, pipe);
}

std::string Scene::describe(ino_t pipe) const {
  const PipeFacts* known = facts(pipe);
  if (known == nullptr) return "fill unknown";
  if (!known->queued || !known->capacity) {
    if (known->owner && !known->refused.empty()) {
      return cat("fill unknown (owner uid ", *known->owner, "; ", known->refused, ")");
    }
    if (known->owner) return cat("fill unknown (owner uid ", *known->owner, ")");
    return known->refused.empty() ? "fill unknown" : cat("fill unknown (", known->refused, ")");
  }
  std::string_view fill = *known->queued == 0 ? "empty" : "has data";
  // Bytes say nothing about full: a pipe is a ring of slots.
  if (known->writable == false) {
    fill = *known->queued < *known->capacity ? "full (by slots)" : "full";
  }
  return cat(fill, ", ", *known->queued, " of ", *known->capacity, " bytes");
}

const GateText* Scene::gate(ino_t pipe) const {
  const auto it = std::ranges::find(gates_, pipe, &GateText::pipe);
  return it == gates_.end() ? nullptr : &*it;
}

std::vector<ProcessId> Scene::unreadable() const {
  std::vector<ProcessId> found;
  for (const auto& [pid, process] : now_.processes) {
    if (process.descriptors || process.is_zombie() || process.stat.kernel_thread) continue;
    found.push_back(process.id());
  }
  return found;
}

}  // namespace penstock::doctor
