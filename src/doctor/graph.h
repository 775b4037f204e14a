// The wait-for graph: A -> B says that A cannot go on until B acts.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "doctor/scene.h"

namespace penstock::doctor {

struct Node {
  ProcessId process;     // pid 0: something outside
  std::string external;  // "terminal /dev/pts/3", "TCP peer 10.0.0.7:22", "disk", "zpool", …
  auto operator<=>(const Node&) const = default;
  bool is_external() const { return process.pid == 0; }
};

enum class EdgeKind : uint8_t {
  pipe_full,   // -> whoever can read
  pipe_empty,  // -> whoever can write
  gate,        // command -> the stage upstream whose success is not known yet
  child,
  lock,
  futex,  // weak: within the process
  poll,   // weak: any of its descriptors
  terminal,
  socket,
  disk,
  tracer,
};
std::string_view name_of(EdgeKind kind);

struct Edge {
  Node from;
  pid_t tid = 0;
  Node to;
  EdgeKind kind = EdgeKind::poll;
  bool strong = true;  // futex and poll are weak
  ino_t pipe = 0;
  std::string sentence;  // "gpg 4709 waits to write to pipe 81230, which zstdcat 4710 reads"
};

class WaitGraph {
 public:
  explicit WaitGraph(const Scene& scene);

  const std::vector<Node>& nodes() const { return nodes_; }
  const std::vector<Edge>& edges() const { return edges_; }
  // For whoever has asked all that there is to ask.
  std::vector<Node> take_nodes() { return std::move(nodes_); }
  std::vector<Edge> take_edges() { return std::move(edges_); }
  std::vector<const Edge*> from(const Node& node) const;
  std::vector<const Edge*> to(const Node& node) const;

  // Everybody who waits for `node`, directly or through others, the nearest first.
  std::vector<ProcessId> victims_of(const Node& node) const;
  // Nodes that somebody waits for and that wait for nobody.
  std::vector<Node> sinks() const;
  // Each elementary cycle once, as its edges in order; at most 64 of them.
  std::vector<std::vector<const Edge*>> cycles() const;

  // Processes of which no thread can ever go on: whatever they wait for, everybody who could bring
  // it about is of the same kind. By strong edges only, or with the weak ones as well.
  const std::set<Node>& deadlocked() const { return deadlocked_; }
  const std::set<Node>& possibly_deadlocked() const { return possibly_deadlocked_; }

 private:
  std::vector<Node> nodes_;
  std::vector<Edge> edges_;
  std::map<Node, std::vector<size_t>> from_;
  std::map<Node, std::vector<size_t>> to_;
  std::set<Node> deadlocked_;
  std::set<Node> possibly_deadlocked_;

  std::set<Node> find_deadlocked(const Scene& scene, bool weak_ones_too) const;
  bool can_go_on(const Scene& scene, const Node& node, const std::set<Node>& doomed,
                 bool weak_ones_too) const;
};

}  // namespace penstock::doctor
