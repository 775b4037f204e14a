// Looks after every live pipeline of this process, with one timer for all: where no byte has moved
// for a while it asks the doctor, says what it heard, and nudges a writer that was not woken.
// Asking is cheap and early; ending a job is late, and only where the user wants it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <string>
#include <vector>

#include "doctor/diagnose.h"
#include "doctor/scene.h"
#include "pipeline/stall_policy.h"
#include "procfs/capture.h"
#include "sys/event_loop.h"

namespace penstock::pipeline {

// One live pipeline, as the watch sees it.
struct StallSubject {
  std::string name;      // "job 7", for messages
  bool exposed = false;  // its pipe into the command could lose a wakeup: asked after 2 s already
  // Whether bytes are to be expected: not before anything was started, nor in the commit tail.
  std::function<bool()> streams;
  // A number that changes while bytes move. Cheap: asked at every tick.
  std::function<uint64_t()> bytes;
  // The same from what the kernel counts for each stage; asked only when bytes() stands still.
  std::function<uint64_t()> counters;
  std::function<std::vector<pid_t>()> processes;
  // A sentence for the job's report; it has been logged.
  std::function<void(const std::string& sentence)> note;
  // Stood still for kill_after, under a policy that ends it then.
  std::function<void(const std::string& sentence, bool retry)> give_up;
};

class StallWatch {
 public:
  explicit StallWatch(sys::EventLoop& loop);
  StallWatch(const StallWatch&) = delete;
  StallWatch& operator=(const StallWatch&) = delete;

  // Watches `subject` as long as the handle lives. Nothing is asked of the kernel for one that is
  // over before the first tick.
  class Handle {
   public:
    Handle(StallWatch& watch, StallPolicy policy, StallSubject subject);
    ~Handle();
    // The run ended well: what was nudged has moved on.
    void went_on();
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;

   private:
    StallWatch& watch_;
    uint64_t id_;
  };

 private:
  using Clock = std::chrono::steady_clock;
  struct Watched {
    uint64_t id = 0;
    StallPolicy policy;
    StallSubject subject;
    uint64_t bytes = 0;
    uint64_t counters = 0;
    Clock::time_point still_since;
    Clock::time_point ask_at;
    Clock::duration ask_again;  // doubles while nothing changes
    std::string last_sentence;
    bool nudged = false;  // and nothing has moved since
    bool given_up = false;
  };
  // A question to the doctor between its two snapshots.
  struct Consultation {
    uint64_t id = 0;
    procfs::Snapshot before;
    std::vector<pid_t> processes;
  };

  uint64_t add(StallPolicy policy, StallSubject subject);
  void remove(uint64_t id);
  Watched* find(uint64_t id);
  void tick();
  void look_at(Watched& watched, Clock::time_point now);
  void start_clock(Watched& watched, Clock::time_point now);
  void ask(Watched& watched);
  void hear();
  void act_upon(Watched& watched, const procfs::Snapshot& before, const procfs::Snapshot& now,
                const doctor::Diagnosis& diagnosis);
  void say_what_is_known(Watched& watched, const doctor::Scene& scene,
                         const doctor::Diagnosis& diagnosis);
  void nudge(Watched& watched, const doctor::Remedy& remedy);
  void moved(Watched& watched, Clock::time_point now);
  void say(Watched& watched, const std::string& sentence);

  sys::Timer tick_timer_;
  sys::Timer second_look_;
  uint64_t last_id_ = 0;
  Clock::time_point last_tick_;
  std::list<Watched> watched_;
  std::optional<Consultation> consultation_;  // one at a time: others wait for the next tick
};

}  // namespace penstock::pipeline
