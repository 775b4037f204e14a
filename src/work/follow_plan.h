// Whose turn is next where many queues are followed: what arrives and what is due, as queues that
// are ready, first come, first served. Pure: time is an argument.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>

#include "work/lane_counts.h"

namespace penstock::work {

class FollowPlan {
 public:
  using Key = uint64_t;
  using Time = std::chrono::steady_clock::time_point;

  // Each queue is looked at at least once in `rescan`, unless a job blocks it.
  explicit FollowPlan(std::chrono::seconds rescan) : rescan_(rescan) {}

  void add(Key key);  // ready at once
  void remove(Key key);

  // Something came to it, which one that cannot be drained does not wait for; or somebody has
  // changed it. At work, it has another turn behind the others.
  enum class News { arrival, change };
  void tell(Key key, News news);

  struct Turn {
    Key key = 0;
    bool is_second_look = false;  // nothing is new in a queue that could not be drained
  };
  // What is due by now is ready.
  void wake(Time now);
  // The first that is ready; it is at work from here on.
  std::optional<Turn> begin();
  void end(Key key, const FollowedEnd& end, bool more, Time now);
  // No turn could be made: it is tried again after `pause`.
  void put_off(const Turn& turn, Time now, std::chrono::milliseconds pause);

  bool is_at_work(Key key) const { return state_of(key) == State::at_work; }
  bool is_given_up(Key key) const {
    return state_of(key) == State::blocked || state_of(key) == State::broken;
  }
  bool all_are_given_up() const;
  bool others_wait() const { return !ready_.empty(); }
  // When something will be due, if nothing comes until then.
  std::optional<Time> next_look() const;

 private:
  enum class State : uint8_t { resting, ready, at_work, blocked, broken };
  struct Queue {
    State state = State::resting;
    bool has_arrival = false;  // while it was at work
    bool has_change = false;
    bool is_second_look = false;
    std::optional<Time> look;  // the next one, whatever comes
  };

  State state_of(Key key) const;
  void make_ready(Key key, Queue& queue);

  std::chrono::seconds rescan_;
  std::map<Key, Queue> queues_;
  std::deque<Key> ready_;
};

}  // namespace penstock::work
