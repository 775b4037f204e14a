// What all pipelines of a process share: the loop, the keeper, the budget for pipes, the
// environment they inherit.
#pragma once

#include <string>
#include <vector>

#include "pipeline/keeper.h"
#include "pipeline/pipe_budget.h"
#include "pipeline/stall_watch.h"
#include "sys/event_loop.h"

namespace penstock::pipeline {

struct Engine {
  Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  sys::EventLoop loop;
  StallWatch stalls{loop};
  PipeBudget budget;
  std::vector<std::string> environment;  // "NAME=value", as inherited
  bool has_terminal;
  Keeper keeper;  // last: its destructor waits for the keeper's end while all else is there
};

}  // namespace penstock::pipeline
