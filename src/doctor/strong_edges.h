// Where the strong edges of a wait-for graph lead: who waits for whom and nobody else.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "doctor/graph.h"

namespace penstock::doctor {

class StrongEdges {
 public:
  explicit StrongEdges(const std::vector<Edge>& edges) {
    for (const Edge& edge : edges) {
      if (edge.strong) to_[edge.from].push_back(edge.to);
    }
  }

  // Whether there is one from `node`, and so somebody that it waits for.
  bool leave(const Node& node) const { return to_.contains(node); }
  // Whether they lead from `from` to some of `ends`, and nowhere else.
  bool lead_only_to(const std::set<Node>& ends, const Node& from) const {
    std::set<Node> seen = {from};
    std::vector<Node> open = {from};
    while (!open.empty()) {
      const Node at = open.back();
      open.pop_back();
      if (ends.contains(at)) continue;
      const auto next = to_.find(at);
      if (next == to_.end()) return false;
      for (const Node& node : next->second) {
        if (seen.insert(node).second) open.push_back(node);
      }
    }
    return true;
  }

  // For many questions about the same ends: all that have a strong edge and do not lead only to
  // them.
  std::set<Node> leading_elsewhere(const std::set<Node>& ends) const {
    std::map<Node, std::vector<Node>> from;
    std::vector<Node> open;
    for (const auto& [node, next] : to_) {
      if (ends.contains(node)) continue;
      for (const Node& other : next) {
        from[other].push_back(node);
        if (!leave(other) && !ends.contains(other)) open.push_back(other);
      }
    }
    std::set<Node> found;
    while (!open.empty()) {
      const Node at = open.back();
      open.pop_back();
      const auto before = from.find(at);
      if (before == from.end()) continue;
      for (const Node& node : before->second) {
        if (found.insert(node).second) open.push_back(node);
      }
    }
    return found;
  }

 private:
  std::map<Node, std::vector<Node>> to_;
};

}  // namespace penstock::doctor
