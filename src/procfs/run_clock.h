// The scheduler's clocks, by which the kernel notes when a task last ran. Each processor has its
// own, and they part from each other: they leave out what interrupts and, on a virtual machine, the
// host took (rq_clock_task in kernel/sched/core.c); seconds after some hours.
#pragma once

#include <chrono>
#include <map>
#include <optional>

#include "procfs/descriptors.h"

namespace penstock::procfs {

class RunClock {
 public:
  using Milliseconds = std::chrono::duration<double, std::milli>;

  // A recorded tree has one clock only, self/sched below `proc`.
  RunClock(int proc, Origin origin) : proc_(proc), origin_(origin) {}

  // What the clock of that processor shows now; nothing if that is not told, or if the calling
  // thread may not run there. A short-lived thread visits each processor once.
  std::optional<Milliseconds> now_on(int processor);

 private:
  int proc_;
  Origin origin_;
  std::map<int, std::optional<Milliseconds>> ahead_;  // of CLOCK_MONOTONIC, by processor
};

}  // namespace penstock::procfs
