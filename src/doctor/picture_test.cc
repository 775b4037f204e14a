#include "doctor/picture.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "doctor/testing/staged.h"

namespace penstock::doctor {
namespace {

using testing::Staged;

struct Sides {
  std::set<pid_t> from;
  std::set<pid_t> to;
};
using Pipes = std::map<ino_t, Sides>;

// Each next one is whoever nobody left over feeds, the lowest first; in a circle simply the lowest.
// As it is said, without any thought of the time it takes.
std::vector<pid_t> in_order(const Pipes& pipes, std::set<pid_t> left) {
  std::vector<pid_t> order;
  const auto is_fed = [&](pid_t pid) {
    return std::ranges::any_of(pipes, [&](const auto& pipe) {
      return pipe.second.to.contains(pid) &&
             std::ranges::any_of(pipe.second.from, [&](pid_t feeder) {
               return feeder != pid && left.contains(feeder);
             });
    });
  };
  while (!left.empty()) {
    auto next = std::ranges::find_if_not(left, is_fed);
    if (next == left.end()) next = left.begin();
    order.push_back(*next);
    left.erase(next);
  }
  return order;
}

TEST(PictureLaws, WhoFeedsComesBeforeWhoIsFed) {
  EXPECT_TRUE(rc::check([] {
    const int count = *rc::gen::inRange(2, 8);
    Staged stage;
    for (pid_t pid = 10; pid < 10 + count; ++pid) stage.process(pid, "cat").running();
    // The first pipe joins all, so that there is one pipeline.
    Pipes pipes;
    const auto join = [&](ino_t pipe, pid_t from, pid_t to) {
      if (pipes[pipe].from.insert(from).second) {
        stage.process(from, "cat").holds_write(static_cast<int>(pipe), pipe);
      }
      if (pipes[pipe].to.insert(to).second) {
        stage.process(to, "cat").holds_read(static_cast<int>(pipe) + 100, pipe);
      }
    };
    for (pid_t pid = 11; pid < 10 + count; ++pid) join(20, 10, pid);
    for (int i = *rc::gen::inRange(0, 12); i > 0; --i) {
      join(static_cast<ino_t>(*rc::gen::inRange(20, 25)), *rc::gen::inRange(10, 10 + count),
           *rc::gen::inRange(10, 10 + count));
    }
    const procfs::Snapshot before = stage.before();
    const procfs::Snapshot now = stage.now();
    const std::vector<Pipeline> all = pipelines(Scene(before, now));
    RC_ASSERT(all.size() == 1U);
    std::set<pid_t> members;
    std::vector<pid_t> order;
    for (const PipelineStage& each : all[0].stages) {
      members.insert(each.id.pid);
      order.push_back(each.id.pid);
    }
    // Of a pipe whose only holder is one process no flow is drawn.
    std::erase_if(pipes, [](const auto& pipe) {
      return pipe.second.from.size() == 1 && pipe.second.from == pipe.second.to;
    });
    RC_ASSERT(order == in_order(pipes, members));
    RC_ASSERT(members.size() == static_cast<size_t>(count));
    for (const PipelineFlow& flow : all[0].flows) {
      std::set<pid_t> from;
      for (const size_t i : flow.from) from.insert(order.at(i));
      RC_ASSERT(from == pipes.at(flow.pipe).from);
    }
  }));
}

}  // namespace
}  // namespace penstock::doctor
