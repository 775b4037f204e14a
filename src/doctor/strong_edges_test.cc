#include "doctor/strong_edges.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace penstock::doctor {
namespace {

Node node_at(pid_t pid) {
  return {.process = {.pid = pid, .start_time = 1}, .external = {}};
}

TEST(StrongEdgesLaws, ManyQuestionsHaveTheAnswersOfEach) {
  EXPECT_TRUE(rc::check([] {
    constexpr pid_t kFirst = 1;
    constexpr pid_t kBehindLast = 8;
    std::vector<Edge> edges;
    for (int i = *rc::gen::inRange(0, 14); i > 0; --i) {
      edges.push_back({.from = node_at(*rc::gen::inRange(kFirst, kBehindLast)),
                       .to = node_at(*rc::gen::inRange(kFirst, kBehindLast)),
                       .strong = *rc::gen::inRange(0, 5) != 0});
    }
    std::set<Node> ends;
    for (int i = *rc::gen::inRange(0, 3); i > 0; --i) {
      ends.insert(node_at(*rc::gen::inRange(kFirst, kBehindLast)));
    }
    const StrongEdges strong(edges);
    const std::set<Node> elsewhere = strong.leading_elsewhere(ends);
    for (pid_t pid = kFirst; pid < kBehindLast; ++pid) {
      const Node node = node_at(pid);
      const bool only = ends.contains(node) || (strong.leave(node) && !elsewhere.contains(node));
      RC_ASSERT(only == strong.lead_only_to(ends, node));
    }
  }));
}

}  // namespace
}  // namespace penstock::doctor
