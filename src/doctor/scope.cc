// Whom to look at: the whole pipeline of a process, and no more of the machine than that.
#include <algorithm>
#include <map>
#include <vector>

#include "doctor/diagnose.h"
#include "doctor/scene.h"

namespace penstock::doctor {

using procfs::Descriptor;
using procfs::Process;
using procfs::Snapshot;

namespace {

// A pipe with more writers than that is somebody's shared output or a make's jobserver, rather than
// a step of a pipeline: it does not lead from one writer to the others.
constexpr size_t kCrowd = 8;
// So many of such a crowd are looked at.
constexpr size_t kMaxOfCrowd = 64;

bool is_shell(const Process& process) {
  static const std::set<std::string_view> shells = {"sh",   "bash", "dash", "ash",     "ksh", "zsh",
                                                    "fish", "tcsh", "csh",  "busybox", "mksh"};
  return shells.contains(process.stat.comm);
}

bool on_data_path(const Descriptor& file) {
  return file.is_pipe() && file.inode != 0 && (file.fd == 0 || file.fd == 1);
}

class Closure {
 public:
  explicit Closure(const Snapshot& table) : table_(table) {
    for (const auto& [pid, process] : table_.processes) {
      by_parent_.emplace(process.stat.parent, &process);
      by_group_.emplace(process.stat.group, &process);
      if (!process.descriptors) continue;
      for (const Descriptor& file : *process.descriptors) {
        if (file.is_pipe() && file.inode != 0) pipes_[file.inode].push_back({&process, &file});
        note_gate(process, file);
      }
    }
  }

  void seed(pid_t pid) {
    const Process* process = table_.find(pid);
    if (process == nullptr) return;
    join(*process);
    const Process* parent = table_.find(process->stat.parent);
    if (parent != nullptr && parent->stat.session == process->stat.session && is_shell(*parent)) {
      look_at(*parent);
    }
  }

  std::set<pid_t> run() {
    while (!open_.empty()) {
      const Process* next = open_.back();
      open_.pop_back();
      follow(*next);
    }
    return looked_at_;
  }

 private:
  struct End {
    const Process* process = nullptr;
    const Descriptor* file = nullptr;
  };
  struct Gate {
    GateText text;
    std::vector<const Process*> holders;
  };

  void note_gate(const Process& process, const Descriptor& file) {
    if (file.content.empty()) return;
    auto text = parse_gate_text(file.content);
    if (!text) return;
    Gate& gate = gates_[text->pipe];
    gate.text = std::move(*text);
    gate.holders.push_back(&process);
  }

  void look_at(const Process& process) {
    if (!process.stat.kernel_thread && process.stat.pid != 1) looked_at_.insert(process.stat.pid);
  }

  // Looked at, and gone on from.
  void join(const Process& process) {
    if (process.stat.kernel_thread || process.stat.pid == 1) return;
    look_at(process);
    if (members_.insert(process.stat.pid).second) open_.push_back(&process);
  }

  void follow(const Process& member) {
    const auto [first, last] = by_parent_.equal_range(member.stat.pid);
    for (auto it = first; it != last; ++it) join(*it->second);
    follow_group(member);
    follow_gates_of(member);
    if (!member.descriptors) return;
    for (const Descriptor& file : *member.descriptors) {
      if (file.is_pipe() && file.inode != 0) follow_pipe(file);
    }
  }

  void follow_pipe(const Descriptor& file) {
    const std::vector<End>& ends = pipes_[file.inode];
    if (is_crowded(ends)) return look_at_crowd(file, ends);
    for (const End& end : ends) {
      look_at(*end.process);
      if (on_data_path(*end.file)) join(*end.process);
    }
    follow_gate(file.inode);
  }

  static bool is_crowded(const std::vector<End>& ends) {
    std::set<pid_t> writers;
    for (const End& end : ends) {
      if (end.file->writes) writers.insert(end.process->stat.pid);
    }
    return writers.size() > kCrowd;
  }

  // From a writer to the readers; from a reader to all.
  void look_at_crowd(const Descriptor& file, const std::vector<End>& ends) {
    size_t taken = 0;
    for (const End& end : ends) {
      if (!file.reads && !end.file->reads) continue;
      if (++taken > kMaxOfCrowd) return;
      look_at(*end.process);
    }
  }

  // A job of an interactive shell is one group; in a script everything is, and only stages that
  // have ended or hold no pipe are not found by pipes.
  void follow_group(const Process& member) {
    const bool is_job = is_job_of_a_shell(member);
    const auto [first, last] = by_group_.equal_range(member.stat.group);
    for (auto it = first; it != last; ++it) {
      const Process& other = *it->second;
      if (is_job) {
        join(other);
      } else if (other.stat.parent == member.stat.parent && member.stat.parent > 1 &&
                 !has_data_pipe(other)) {
        look_at(other);
      }
    }
  }

  // Somebody above it, in the same session, is in another group: job control is on.
  bool is_job_of_a_shell(const Process& member) const {
    if (member.stat.group == member.stat.session) return false;
    const Process* at = &member;
    for (size_t steps = 0; steps < table_.processes.size(); ++steps) {
      const Process* parent = table_.find(at->stat.parent);
      if (parent == nullptr || parent->stat.pid == 1) return false;
      if (parent->stat.session != member.stat.session) return false;
      if (parent->stat.group != member.stat.group) return true;
      at = parent;
    }
    return false;
  }

  static bool has_data_pipe(const Process& process) {
    return process.descriptors && std::ranges::any_of(*process.descriptors, on_data_path);
  }

  void follow_gates_of(const Process& member) {
    for (const auto& [pipe, gate] : gates_) {
      const bool is_stage = std::ranges::any_of(
          gate.text.stages, [&](const auto& stage) { return stage.id == member.id(); });
      const bool holds = std::ranges::find(gate.holders, &member) != gate.holders.end();
      if (is_stage || holds) follow_gate(pipe);
    }
  }

  // Our relay stands between two pipes, at descriptors of no fixed number.
  void follow_gate(ino_t pipe) {
    const auto it = gates_.find(pipe);
    if (it == gates_.end() || !followed_gates_.insert(pipe).second) return;
    for (const Process* holder : it->second.holders) look_at(*holder);
    for (const GateText::Stage& stage : it->second.text.stages) {
      if (const Process* process = table_.find(stage.id)) join(*process);
    }
    for (const ino_t end_of : {pipe, it->second.text.upstream}) {
      const auto ends = pipes_.find(end_of);
      if (ends == pipes_.end()) continue;
      for (const End& end : ends->second) {
        look_at(*end.process);
        if (on_data_path(*end.file)) join(*end.process);
      }
    }
  }

  const Snapshot& table_;
  std::multimap<pid_t, const Process*> by_parent_;
  std::multimap<pid_t, const Process*> by_group_;
  std::map<ino_t, std::vector<End>> pipes_;
  std::map<ino_t, Gate> gates_;
  std::set<ino_t> followed_gates_;
  std::set<pid_t> members_;
  std::set<pid_t> looked_at_;
  std::vector<const Process*> open_;
};

bool holds_pipe(const Process& process) {
  return process.descriptors &&
         std::ranges::any_of(*process.descriptors, [](const auto& file) { return file.is_pipe(); });
}

// Another receiver may hold the target of one of these (R50), and no pipe joins the two.
void add_namesakes(const Snapshot& table, std::set<pid_t>& chosen) {
  for (const char* name : {"zfs", "btrfs"}) {
    const auto is_one = [&](pid_t pid) {
      const Process* process = table.find(pid);
      return process != nullptr && process->stat.comm == name;
    };
    if (std::ranges::none_of(chosen, is_one)) continue;
    for (const auto& [pid, process] : table.processes) {
      if (process.stat.comm == name) chosen.insert(pid);
    }
  }
}

}  // namespace

std::set<pid_t> choose(const Scope& scope, const Snapshot& table) {
  if (scope.all) {
    std::set<pid_t> everybody;
    for (const auto& [pid, process] : table.processes) {
      const bool is_one = holds_pipe(process) || process.is_zombie() || !process.descriptors;
      if (is_one && !process.stat.kernel_thread) everybody.insert(pid);
    }
    return everybody;
  }
  Closure closure(table);
  for (const pid_t pid : scope.pids) closure.seed(pid);
  for (const auto& [pid, process] : table.processes) {
    if (scope.session != 0 && process.stat.session == scope.session) closure.seed(pid);
  }
  std::set<pid_t> chosen = closure.run();
  add_namesakes(table, chosen);
  return chosen;
}

}  // namespace penstock::doctor
