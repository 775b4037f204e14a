#include "sys/event_loop.h"

#include <sched.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <utility>

#include "base/error.h"
#include "sys/files.h"

namespace penstock::sys {

namespace {

// To look once takes a microsecond, and the keeper's steps between two jobs take less than a
// hundred.
constexpr auto kSomebodyElseRan = std::chrono::microseconds(200);
constexpr unsigned kMostLeftOut = 255;

UniqueFd checked(int fd, const char* what) {
  if (fd < 0) throw Error::from_errno(what);
  return moved_high(UniqueFd(fd));
}

// Empties a timerfd's or eventfd's counter.
void swallow_count(int fd) {
  uint64_t count = 0;
  while (::read(fd, &count, sizeof count) < 0 && errno == EINTR) {
  }
}

}  // namespace

EventLoop::EventLoop() : epoll_(checked(epoll_create1(EPOLL_CLOEXEC), "make an event loop")) {}

int EventLoop::look(Events& events, int timeout_ms) const {
  const int count =
      epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout_ms);
  if (count >= 0 || errno == EINTR) return count;
  throw Error::from_errno("wait for events");
}

bool StandBy::is_worth_an_attempt() {
  if (left_out_ == 0) return true;
  --left_out_;
  return false;
}

bool StandBy::goes_on(std::chrono::nanoseconds since_last_look) {
  if (since_last_look <= kSomebodyElseRan) return true;
  left_out_ = penalty_ = std::min(2 * penalty_ + 1, kMostLeftOut);
  return false;
}

// What look() says; 0 if nothing has come.
int EventLoop::stand_by(Events& events, std::chrono::microseconds patience) {
  if (!standing_by_.is_worth_an_attempt()) return 0;
  const auto begin = Clock::now();
  for (auto last = begin; last - begin < patience;) {
    if (const int count = look(events, 0); count != 0) {
      if (last != begin) standing_by_.has_paid();
      return count;
    }
    sched_yield();
    const auto now = Clock::now();
    if (!standing_by_.goes_on(now - std::exchange(last, now))) return 0;
  }
  return 0;
}

void EventLoop::turn(std::chrono::microseconds patience) {
  Events events{};
  int count = patience.count() > 0 ? stand_by(events, patience) : 0;
  if (count == 0) count = look(events, -1);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events.at(static_cast<size_t>(i));
    const auto found = watches_.find(event.data.u64);
    if (found == watches_.end()) continue;
    // A copy: the callback may destroy the watch that holds it.
    const Watch::Callback callback = found->second->callback_;
    callback(event.events);
  }
}

Watch::Watch(EventLoop& loop, int fd, uint32_t events, Callback callback)
    : loop_(loop), fd_(fd), id_(loop.next_id_++), callback_(std::move(callback)) {
  epoll_event event{.events = events, .data = {.u64 = id_}};
  if (epoll_ctl(loop_.epoll_.get(), EPOLL_CTL_ADD, fd_, &event) != 0) {
    throw Error::from_errno("watch a descriptor");
  }
  loop_.watches_.emplace(id_, this);
}

Watch::~Watch() {
  loop_.watches_.erase(id_);
  epoll_ctl(loop_.epoll_.get(), EPOLL_CTL_DEL, fd_,
            nullptr);  // fails only if the descriptor is gone already
}

void Timer::prepare() {
  if (fd_) return;
  UniqueFd fd =
      checked(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), "make a timer");
  watch_.emplace(loop_, fd.get(), EPOLLIN, [this](uint32_t) {
    swallow_count(fd_.get());
    if (!std::exchange(is_set_, false)) return;
    const auto keep = callback_;  // the callback may destroy this timer
    keep();
  });
  fd_ = std::move(fd);
}

void Timer::set(std::chrono::nanoseconds after) {
  prepare();
  if (after < std::chrono::nanoseconds(1)) after = std::chrono::nanoseconds(1);
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(after);
  itimerspec spec{};
  spec.it_value.tv_sec = whole.count();
  spec.it_value.tv_nsec = (after - whole).count();
  if (timerfd_settime(fd_.get(), 0, &spec, nullptr) != 0) throw Error::from_errno("set a timer");
  is_set_ = true;
}

void Timer::clear() {
  if (!std::exchange(is_set_, false)) return;
  const itimerspec off{};
  timerfd_settime(fd_.get(), 0, &off, nullptr);
}

Wakeup::Wakeup(EventLoop& loop, std::function<void()> callback)
    : fd_(checked(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "make an eventfd")),
      callback_(std::move(callback)),
      watch_(loop, fd_.get(), EPOLLIN, [this](uint32_t) {
        swallow_count(fd_.get());
        const auto keep = callback_;
        keep();
      }) {}

void Wakeup::signal() const {
  const uint64_t one = 1;
  while (::write(fd_.get(), &one, sizeof one) < 0 && errno == EINTR) {
  }
}

}  // namespace penstock::sys
