#include "work/lanes.h"

#include <algorithm>
#include <deque>

#include "base/error.h"
#include "sys/event_loop.h"
#include "work/interruption.h"
#include "work/progress.h"

namespace penstock::work {

namespace {

class Lanes {
 public:
  Lanes(const std::vector<std::string>& queues, const LaneSettings& settings,
        const LanePool::Drain& drain)
      : interruption_(loop_),
        pool_(loop_, interruption_, settings, drain,
              [this](const LanePool::Ended& ended) { end_turn(ended); }),
        progress_(loop_, "queues") {
    for (const std::string& dir : queues) {
      waiting_.push_back(queues_.size());
      queues_.push_back({.dir = dir});
    }
  }

  LanesEnd run() {
    begin_turns();
    loop_.run_until([this] { return is_over(); });
    pool_.finish_output();
    LanesEnd end{.interrupted_by = interruption_.signal()};
    const auto failed =
        std::ranges::find_if(queues_, [](const Queue& queue) { return queue.status != 0; });
    if (failed != queues_.end()) end.status = failed->status;
    return end;
  }

 private:
  struct Queue {
    std::string dir;
    uint64_t done = 0;
    int status = 0;
  };

  bool is_over() const { return pool_.is_idle() && (waiting_.empty() || interruption_.has_come()); }

  void begin_turns() {
    while (pool_.free() > 0 && !waiting_.empty() && !interruption_.has_come_by_now()) {
      const Queue& queue = queues_[waiting_.front()];
      try {
        pool_.begin(waiting_.front(), {.queue = queue.dir, .done = queue.done});
      } catch (const Error&) {
        if (pool_.is_idle()) throw;
        break;  // once another one has ended there may be room
      }
      waiting_.pop_front();
    }
    pool_.tell_that_others_wait(!waiting_.empty());
    show_progress();
  }

  void end_turn(const LanePool::Ended& ended) {
    Queue& queue = queues_[ended.queue];
    queue.done += ended.counts.done;
    if (ended.counts.more && ended.status.success()) {
      waiting_.push_back(ended.queue);
    } else {
      ++ended_;
      queue.status = ended.was_killed ? 1 : ended.status.shell_status();
    }
    begin_turns();
  }

  void show_progress() {
    progress_.set_jobs(ended_, queues_.size());
    progress_.job_started(pool_.at_work(), [this] { return pool_.bytes(); });
  }

  std::vector<Queue> queues_;
  std::deque<size_t> waiting_;
  size_t ended_ = 0;
  sys::EventLoop loop_;
  Interruption interruption_;
  LanePool pool_;
  Progress progress_;
};

}  // namespace

LanesEnd drain_in_lanes(const std::vector<std::string>& queues, const LaneSettings& settings,
                        const LanePool::Drain& drain) {
  return Lanes(queues, settings, drain).run();
}

}  // namespace penstock::work
