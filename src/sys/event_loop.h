// One thread's event loop over descriptors only: pidfds, sockets, timerfds, eventfds, signalfds.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <utility>

#include "sys/unique_fd.h"

namespace penstock::sys {

class Watch;

// Whether to look again and again for an event that comes soon, instead of falling asleep: not
// where somebody else wants the processor, who would then only run later, and we after him. After
// an attempt that showed as much the next ones are left out, more of them each time. Pure.
class StandBy {
 public:
  bool is_worth_an_attempt();
  // Nothing has come, and so much time has passed since the last look. Whether to look again.
  bool goes_on(std::chrono::nanoseconds since_last_look);
  void has_paid() { penalty_ /= 2; }

 private:
  unsigned left_out_ = 0;  // attempts that are still to be left out
  unsigned penalty_ = 0;   // so many were the last time
};

class EventLoop {
 public:
  EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Waits for at least one event and calls everybody concerned. A callback may make and destroy
  // watches, its own too. For `patience` it stands by, if that is of use: for an event that comes
  // soon (to wake a sleeper takes 35 us on an idle virtual machine).
  void turn(std::chrono::microseconds patience = {});
  // Turns until `done()`; asked before each wait. Stands by for `patience` in all.
  template <typename Done>
  void run_until(Done done, std::chrono::microseconds patience = {}) {
    if (patience.count() == 0) {
      while (!done()) turn();
      return;
    }
    const auto end = Clock::now() + patience;
    while (!done()) turn(std::chrono::duration_cast<std::chrono::microseconds>(end - Clock::now()));
  }

 private:
  friend class Watch;
  using Clock = std::chrono::steady_clock;
  using Events = std::array<epoll_event, 16>;
  int look(Events& events, int timeout_ms) const;
  int stand_by(Events& events, std::chrono::microseconds patience);

  UniqueFd epoll_;
  StandBy standing_by_;
  uint64_t next_id_ = 1;
  // Looked up for each event, so a watch that left during a turn is not called.
  std::unordered_map<uint64_t, Watch*> watches_;
};

// Subscribes a descriptor in its constructor and leaves in its destructor. Level-triggered. Borrows
// loop and fd.
class Watch {
 public:
  using Callback = std::function<void(uint32_t events)>;
  Watch(EventLoop& loop, int fd, uint32_t events, Callback callback);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  friend class EventLoop;
  EventLoop& loop_;
  int fd_;
  uint64_t id_;
  Callback callback_;
};

// Calls back once, `after` from now, unless destroyed or set anew before. Costs nothing until it is
// set.
class Timer {
 public:
  Timer(EventLoop& loop, std::function<void()> callback)
      : loop_(loop), callback_(std::move(callback)) {}
  // Makes its descriptor now, so that set() cannot fail for want of one.
  void prepare();
  void set(std::chrono::nanoseconds after);
  void clear();
  bool is_set() const { return is_set_; }

 private:
  EventLoop& loop_;
  std::function<void()> callback_;
  UniqueFd fd_;
  bool is_set_ = false;
  std::optional<Watch> watch_;
};

// Wakes the loop from another thread: signal() is safe anywhere.
class Wakeup {
 public:
  Wakeup(EventLoop& loop, std::function<void()> callback);
  void signal() const;

 private:
  UniqueFd fd_;
  std::function<void()> callback_;
  Watch watch_;
};

}  // namespace penstock::sys
