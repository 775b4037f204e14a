// Where the strong edges of a wait-for graph lead: who waits for whom and nobody else.
#pragma once

#include <algorithm>
#include <set>
#include <span>
#include <vector>

#include "doctor/graph.h"

namespace penstock::doctor {

class StrongEdges {
 public:
  // Borrows them.
  explicit StrongEdges(const std::vector<Edge>& edges) {
    for (const Edge& edge : edges) {
      if (edge.strong) edges_.push_back(&edge);
    }
    std::ranges::stable_sort(edges_, {}, from_of);
  }

  // Whether there is one from `node`, and so somebody that it waits for.
  bool leave(const Node& node) const { return !from(node).empty(); }
  // Whether they lead from `from` to some of `ends`, and nowhere else.
  bool lead_only_to(const std::set<Node>& ends, const Node& from) const {
    std::set<Node> seen = {from};
    std::vector<Node> open = {from};
    while (!open.empty()) {
      const Node at = open.back();
      open.pop_back();
      if (ends.contains(at)) continue;
      const auto next = this->from(at);
      if (next.empty()) return false;
      for (const Edge* edge : next) {
        if (seen.insert(edge->to).second) open.push_back(edge->to);
      }
    }
    return true;
  }

  // For many questions about the same ends: all that have a strong edge and do not lead only to
  // them.
  std::set<Node> leading_elsewhere(const std::set<Node>& ends) const {
    // Backwards from every dead end; an end is no way through.
    std::vector<const Edge*> by_goal;
    std::vector<const Node*> open;
    for (const Edge* edge : edges_) {
      if (ends.contains(edge->from)) continue;
      by_goal.push_back(edge);
      if (!leave(edge->to) && !ends.contains(edge->to)) open.push_back(&edge->to);
    }
    std::ranges::sort(by_goal, {}, to_of);
    std::set<Node> found;
    while (!open.empty()) {
      const Node& at = *open.back();
      open.pop_back();
      for (const Edge* edge : std::ranges::equal_range(by_goal, at, {}, to_of)) {
        if (found.insert(edge->from).second) open.push_back(&edge->from);
      }
    }
    return found;
  }

 private:
  std::vector<const Edge*> edges_;  // by whom they come from

  static const Node& from_of(const Edge* edge) { return edge->from; }
  static const Node& to_of(const Edge* edge) { return edge->to; }

  std::span<const Edge* const> from(const Node& node) const {
    const auto found = std::ranges::equal_range(edges_, node, {}, from_of);
    return {found.begin(), found.end()};
  }
};

}  // namespace penstock::doctor
