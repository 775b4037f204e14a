#include "doctor/graph.h"

#include <algorithm>
#include <deque>

#include "base/text.h"

namespace penstock::doctor {

using procfs::Descriptor;
using procfs::FileKind;

namespace {

// So many edges at most from one wait, or a pipe that a thousand processes share would make a
// million. Such a crowd is never called deadlocked.
constexpr size_t kMaxAlternatives = 64;
constexpr size_t kMaxCycles = 64;
constexpr size_t kMaxSteps = 100'000;  // of the search for cycles

Node node_for(const ProcessId& id) {
  return {.process = id, .external = {}};
}

Node outside(std::string name) {
  return {.process = {}, .external = std::move(name)};
}

// Makes the edges of one scene.
class EdgeMaker {
 public:
  explicit EdgeMaker(const Scene& scene) : scene_(scene) {}

  std::vector<Edge> make() {
    for (const Wait& wait : scene_.waits()) {
      if (wait.steady) follow(wait);
    }
    for (const GateText& gate : scene_.gates()) follow_relay(gate);
    return std::move(edges_);
  }

 private:
  void follow(const Wait& wait) {
    wait_ = &wait;
    process_ = scene_.find(wait.process);
    switch (wait.kind) {
      case WaitKind::pipe_write:
        return for_room(wait.pipe);
      case WaitKind::pipe_read:
        return for_data(wait.pipe);
      case WaitKind::fifo_open:
        return add_outside("whoever opens the other side of the FIFO");
      case WaitKind::poll:
        return for_any();
      case WaitKind::futex:
        return add(node_for(wait.process), EdgeKind::futex, "waits for another of its threads");
      case WaitKind::child:
        return for_child();
      case WaitKind::lock:
        return for_lock();
      case WaitKind::terminal:
        return for_terminal();
      case WaitKind::unix_socket:
      case WaitKind::network:
        return for_socket(wait.fd);
      case WaitKind::zfs:
      case WaitKind::disk:
        return for_disk();
      case WaitKind::network_disk:
        return add_outside("file server", EdgeKind::disk);
      case WaitKind::traced:
        return for_tracer();
      default:
        return;
    }
  }

  void for_room(ino_t pipe) {
    // A writer that sleeps although there is room waits for nobody: it was not woken (R01). The
    // same if its reader sleeps for want of data.
    if (pipe == 0 || scene_.writable(pipe) == true || changed(pipe)) return;
    if (!scene_.writable(pipe) && !scene_.steady_on(WaitKind::pipe_read, pipe).empty()) return;
    add_holders(pipe, scene_.readers(pipe), EdgeKind::pipe_full, "waits to write to pipe ",
                " reads");
  }

  void for_data(ino_t pipe) {
    // With data in the pipe, or nobody left to write, it waits for nobody either (R02).
    if (pipe == 0 || scene_.is_empty(pipe) == false || scene_.has_writer(pipe) == false) return;
    if (changed(pipe)) return;
    if (const GateText* gate = scene_.gate(pipe)) return for_gate(*gate);
    add_holders(pipe, scene_.writers(pipe), EdgeKind::pipe_empty, "waits to read from pipe ",
                " writes");
  }

  // Told in both snapshots, and not alike: somebody moves it.
  bool changed(ino_t pipe) const {
    const procfs::PipeFacts* before = scene_.facts_before(pipe);
    const procfs::PipeFacts* now = scene_.facts(pipe);
    if (now == nullptr || before == nullptr) return false;
    const bool room = now->writable && before->writable && !scene_.writable(pipe);
    const bool data = now->queued && before->queued && !scene_.is_empty(pipe);
    return room || data;
  }

  // All that lies upstream must have ended with success.
  void for_gate(const GateText& gate) {
    bool somebody = false;
    for (const GateText::Stage& stage : gate.stages) {
      const Process* process = scene_.find(stage.id);
      if (process == nullptr || process->is_zombie() || is_behind(*process, gate.pipe)) continue;
      add(node_for(stage.id), EdgeKind::gate,
          cat("waits at the gate of pipe ", gate.pipe, " until ", name_of(*process), " has ended"),
          gate.pipe);
      somebody = true;
    }
    if (somebody) return;
    for (const ProcessId& holder : gate.holders) {
      if (holder == wait_->process) continue;
      add(node_for(holder), EdgeKind::gate, cat("waits at the gate of pipe ", gate.pipe),
          gate.pipe);
    }
  }

  // The command itself is on the list, too, and its children read for it.
  bool is_behind(const Process& stage, ino_t pipe) const {
    if (stage.id() == wait_->process) return true;
    if (scene_.is_ancestor(stage.stat.pid, wait_->process.pid)) return true;
    return std::ranges::any_of(scene_.readers(pipe), [&](const Holder& reader) {
      return reader.process->id() == stage.id();
    });
  }

  // Our own last link polls for a second at a time, and so is never steady: what it waits for is
  // that the command reads.
  void follow_relay(const GateText& gate) {
    if (gate.upstream == 0 || scene_.writable(gate.pipe) != false) return;
    for (const Holder& relay : scene_.readers(gate.upstream)) {
      const ProcessId id = relay.process->id();
      if (std::ranges::find(gate.holders, id) == gate.holders.end()) continue;
      for (const Holder& reader : scene_.readers(gate.pipe)) {
        if (reader.process == relay.process) continue;
        edges_.push_back(
            {.from = node_for(id),
             .tid = id.pid,
             .to = node_for(reader.process->id()),
             .kind = EdgeKind::pipe_full,
             .pipe = gate.pipe,
             .sentence = cat(name_of(*relay.process), " waits to relay into pipe ", gate.pipe,
                             ", which ", name_of(*reader.process), " reads")});
      }
    }
  }

  void for_any() {
    if (!process_->descriptors) return;
    for (const Descriptor& file : *process_->descriptors) {
      if (wait_->fd >= 0 && wait_->fd != file.fd) continue;
      if (file.is_pipe() && file.inode != 0) for_any_of(file);
      if (file.kind == FileKind::tty && file.fd == 0) {
        add_outside(cat("terminal ", printable(file.target)), EdgeKind::poll);
      }
      if (file.kind == FileKind::socket) for_socket(file.fd, EdgeKind::poll);
    }
  }

  void for_any_of(const Descriptor& file) {
    if (file.reads && scene_.is_empty(file.inode) == true &&
        scene_.has_writer(file.inode) != false) {
      add_holders(file.inode, scene_.writers(file.inode), EdgeKind::poll, "polls pipe ", " writes");
    }
    if (file.writes && scene_.writable(file.inode) == false) {
      add_holders(file.inode, scene_.readers(file.inode), EdgeKind::poll, "polls pipe ", " reads");
    }
  }

  void for_child() {
    const std::vector<const Process*> children = scene_.children(wait_->process.pid);
    const pid_t asked_for = child_asked_for(children);
    size_t edges = 0;
    for (const Process* child : children) {
      if (child->is_zombie() || (asked_for != 0 && child->stat.pid != asked_for)) continue;
      if (++edges > kMaxAlternatives) return;
      add(node_for(child->id()), EdgeKind::child, cat("waits for its child ", name_of(*child)));
    }
  }

  // wait4 has the number first, waitid second, behind what kind of number it is; 0: any child.
  pid_t child_asked_for(const std::vector<const Process*>& children) const {
    const procfs::SyscallState* call = syscall();
    if (call == nullptr || call->call != procfs::Call::wait) return 0;
    for (const size_t place : {0, 1}) {
      const auto pid = static_cast<pid_t>(call->arguments.at(place));
      const auto is_it = [&](const Process* child) { return child->stat.pid == pid; };
      if (std::ranges::any_of(children, is_it)) return pid;
    }
    return 0;
  }

  void for_lock() {
    for (const procfs::FileLock& row : scene_.now().locks) {
      if (!row.waits || row.pid != wait_->process.pid) continue;
      for (const procfs::FileLock& lock : scene_.now().locks) {
        if (lock.waits || lock.number != row.number) continue;
        const Process* owner = lock.pid > 0 ? scene_.find(lock.pid) : nullptr;
        if (owner != nullptr) {
          add(node_for(owner->id()), EdgeKind::lock,
              cat("waits for a lock on inode ", lock.inode, ", which ", name_of(*owner), " has"));
        } else {
          add_outside(cat("holder of the lock on inode ", lock.inode), EdgeKind::lock);
        }
      }
      return;
    }
    add_outside("holder of a file lock", EdgeKind::lock);
  }

  void for_terminal() {
    const Descriptor* file = descriptor(wait_->fd);
    add_outside(file != nullptr ? cat("terminal ", printable(file->target)) : "terminal",
                EdgeKind::terminal);
  }

  void for_socket(int fd, EdgeKind kind = EdgeKind::socket) {
    const Descriptor* file = descriptor(fd);
    if (file == nullptr) return add_outside("peer of a socket", kind);
    const auto& tcp = scene_.now().tcp;
    const auto& local = scene_.now().unix_sockets;
    if (const auto it = tcp.find(file->inode); it != tcp.end()) {
      return add_outside(cat("TCP peer ", printable(it->second.remote)), kind);
    }
    if (const auto it = local.find(file->inode); it != local.end() && !it->second.path.empty()) {
      return add_outside(cat("UNIX socket ", printable(it->second.path)), kind);
    }
    add_outside(cat("peer of socket ", file->inode), kind);
  }

  void for_disk() {
    const bool is_zfs = wait_->kind == WaitKind::zfs || process_->stat.comm == "zfs";
    // A worker of ZFS may do the writing while the command sleeps in there (R36).
    const Descriptor* out = is_zfs ? descriptor(1) : nullptr;
    if (out != nullptr && out->is_pipe() && scene_.writable(out->inode) == false) {
      return for_room(out->inode);
    }
    add_outside(is_zfs ? "zpool" : "disk", EdgeKind::disk);
  }

  void for_tracer() {
    const Process* tracer = process_->tracer == 0 ? nullptr : scene_.find(process_->tracer);
    if (tracer == nullptr) return add_outside("tracer", EdgeKind::tracer);
    add(node_for(tracer->id()), EdgeKind::tracer,
        cat("is stopped by its tracer ", name_of(*tracer)));
  }

  // To everybody else who holds that end; to itself if nobody else does.
  void add_holders(ino_t pipe, const std::vector<Holder>& holders, EdgeKind kind,
                   std::string_view verb, std::string_view their_verb) {
    size_t edges = 0;
    for (const Holder& holder : holders) {
      if (holder.process->id() == wait_->process) continue;
      if (++edges > kMaxAlternatives) return;
      add(node_for(holder.process->id()), kind,
          cat(verb, pipe, ", which ", name_of(*holder.process), their_verb), pipe);
    }
    if (edges != 0) return;
    if (!holders.empty()) {
      return add(node_for(wait_->process), kind,
                 cat(verb, pipe, ", which only it itself", their_verb), pipe);
    }
    add(outside(cat("hidden holder of pipe ", pipe)), kind,
        cat(verb, pipe, ", which somebody", their_verb, " whom no table shows"), pipe);
  }

  void add_outside(std::string what, EdgeKind kind = EdgeKind::terminal) {
    const std::string sentence = cat("waits for ", what);
    add(outside(std::move(what)), kind, sentence);
  }

  void add(Node to, EdgeKind kind, const std::string& what, ino_t pipe = 0) {
    edges_.push_back({.from = node_for(wait_->process),
                      .tid = wait_->tid,
                      .to = std::move(to),
                      .kind = kind,
                      .strong = kind != EdgeKind::futex && kind != EdgeKind::poll,
                      .pipe = pipe,
                      .sentence = cat(name_of(*process_), " ", what)});
  }

  const procfs::SyscallState* syscall() const {
    const auto task = std::ranges::find(process_->tasks, wait_->tid, &procfs::Task::tid);
    return task == process_->tasks.end() || !task->syscall ? nullptr : &*task->syscall;
  }

  const Descriptor* descriptor(int fd) const {
    if (!process_->descriptors) return nullptr;
    const auto it = std::ranges::find(*process_->descriptors, fd, &Descriptor::fd);
    return it == process_->descriptors->end() ? nullptr : &*it;
  }

  const Scene& scene_;
  const Wait* wait_ = nullptr;
  const Process* process_ = nullptr;
  std::vector<Edge> edges_;
};

}  // namespace

std::string_view name_of(EdgeKind kind) {
  switch (kind) {
    case EdgeKind::pipe_full:
      return "pipe-full";
    case EdgeKind::pipe_empty:
      return "pipe-empty";
    case EdgeKind::gate:
      return "gate";
    case EdgeKind::child:
      return "child";
    case EdgeKind::lock:
      return "lock";
    case EdgeKind::futex:
      return "futex";
    case EdgeKind::poll:
      return "poll";
    case EdgeKind::terminal:
      return "terminal";
    case EdgeKind::socket:
      return "socket";
    case EdgeKind::disk:
      return "disk";
    case EdgeKind::tracer:
      return "tracer";
  }
  return "?";
}

WaitGraph::WaitGraph(const Scene& scene) : edges_(EdgeMaker(scene).make()) {
  std::set<Node> nodes;
  for (const Process* process : scene.processes()) nodes.insert(node_for(process->id()));
  for (size_t i = 0; i < edges_.size(); ++i) {
    nodes.insert(edges_[i].from);
    nodes.insert(edges_[i].to);
    from_[edges_[i].from].push_back(i);
    to_[edges_[i].to].push_back(i);
  }
  nodes_.assign(nodes.begin(), nodes.end());
  deadlocked_ = find_deadlocked(scene, false);
  const bool all_strong = std::ranges::all_of(edges_, &Edge::strong);
  possibly_deadlocked_ = all_strong ? deadlocked_ : find_deadlocked(scene, true);
}

namespace {
std::vector<const Edge*> picked(const std::vector<Edge>& edges,
                                const std::map<Node, std::vector<size_t>>& index,
                                const Node& node) {
  std::vector<const Edge*> found;
  const auto it = index.find(node);
  if (it == index.end()) return found;
  for (const size_t i : it->second) found.push_back(&edges[i]);
  return found;
}
}  // namespace

std::vector<const Edge*> WaitGraph::from(const Node& node) const {
  return picked(edges_, from_, node);
}

std::vector<const Edge*> WaitGraph::to(const Node& node) const {
  return picked(edges_, to_, node);
}

std::vector<ProcessId> WaitGraph::victims_of(const Node& node) const {
  std::vector<ProcessId> victims;
  std::set<Node> seen = {node};
  std::deque<Node> open = {node};
  while (!open.empty()) {
    const Node next = open.front();
    open.pop_front();
    std::vector<const Edge*> edges = to(next);
    // Neighbours by a pipe before the shell that waits for them all.
    std::ranges::stable_sort(edges, {}, &Edge::kind);
    for (const Edge* edge : edges) {
      if (!seen.insert(edge->from).second) continue;
      open.push_back(edge->from);
      if (!edge->from.is_external()) victims.push_back(edge->from.process);
    }
  }
  return victims;
}

std::vector<Node> WaitGraph::sinks() const {
  std::vector<Node> found;
  for (const Node& node : nodes_) {
    const auto others = [&](const Edge* edge) { return edge->from != edge->to; };
    if (std::ranges::none_of(from(node), others) && std::ranges::any_of(to(node), others)) {
      found.push_back(node);
    }
  }
  return found;
}

namespace {

// Depth first from each node, over nodes that are not smaller: so each cycle is met once, from its
// smallest. A futex edge to oneself is no news.
class CycleSearch {
 public:
  explicit CycleSearch(const WaitGraph& graph) : graph_(graph) {}

  std::vector<std::vector<const Edge*>> run() {
    for (const Node& node : graph_.nodes()) {
      if (node.is_external()) continue;
      start_ = &node;
      visit(node);
    }
    return std::move(found_);
  }

 private:
  void visit(const Node& node) {
    for (const Edge* edge : graph_.from(node)) {
      if (found_.size() >= kMaxCycles || ++steps_ > kMaxSteps) return;
      if (edge->kind == EdgeKind::futex || edge->to.is_external() || edge->to < *start_) continue;
      if (edge->to == *start_) {
        path_.push_back(edge);
        found_.push_back(path_);
        path_.pop_back();
      } else if (on_path_.insert(edge->to).second) {
        path_.push_back(edge);
        visit(edge->to);
        path_.pop_back();
        on_path_.erase(edge->to);
      }
    }
  }

  const WaitGraph& graph_;
  const Node* start_ = nullptr;
  size_t steps_ = 0;
  std::vector<const Edge*> path_;
  std::set<Node> on_path_;
  std::vector<std::vector<const Edge*>> found_;
};

}  // namespace

std::vector<std::vector<const Edge*>> WaitGraph::cycles() const {
  return CycleSearch(*this).run();
}

// Whoever waits for one of several, of whom one can go on, can go on itself; so what is left after
// all such have been taken away waits for itself.
std::set<Node> WaitGraph::find_deadlocked(const Scene& scene, bool weak_ones_too) const {
  std::set<Node> doomed;
  for (const Node& node : nodes_) {
    if (!node.is_external()) doomed.insert(node);
  }
  for (bool changed = true; changed;) {
    changed = std::erase_if(doomed, [&](const Node& node) {
                return can_go_on(scene, node, doomed, weak_ones_too);
              }) > 0;
  }
  return doomed;
}

bool WaitGraph::can_go_on(const Scene& scene, const Node& node, const std::set<Node>& doomed,
                          bool weak_ones_too) const {
  const auto waits = scene.waits_of(node.process.pid);
  const Process* process = scene.find(node.process);
  const bool catches_signals = process != nullptr && process->signals_caught != 0;
  bool has_wait = false;
  for (const Wait* wait : waits) {
    if (!wait->steady) return true;
    if (wait->kind == WaitKind::futex || wait->kind == WaitKind::zombie) continue;
    size_t alternatives = 0;
    for (const Edge* edge : from(node)) {
      if (edge->tid != wait->tid) continue;
      if (!doomed.contains(edge->to) || (!edge->strong && !weak_ones_too)) return true;
      // A pipe to oneself is how signal handlers wake a loop.
      if (edge->to == node && edge->kind == EdgeKind::pipe_empty && catches_signals) return true;
      ++alternatives;
    }
    if (alternatives == 0 || alternatives >= kMaxAlternatives) return true;
    has_wait = true;
  }
  return !has_wait;
}

}  // namespace penstock::doctor
