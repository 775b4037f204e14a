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

class EventLoop {
 public:
  EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Waits for at least one event and calls everybody concerned. A callback may make and destroy
  // watches, its own too. For `patience` it does not go to sleep, but looks again and again and
  // gives way to whoever wants the processor: for an event that comes sooner than a sleeper wakes
  // (35 us on an idle virtual machine).
  void turn(std::chrono::microseconds patience = {});
  // Turns until `done()`; asked before each wait.
  template <typename Done>
  void run_until(Done done) {
    while (!done()) turn();
  }

 private:
  friend class Watch;
  using Events = std::array<epoll_event, 16>;
  int look(Events& events, int timeout_ms) const;

  UniqueFd epoll_;
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
