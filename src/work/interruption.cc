#include "work/interruption.h"

#include <csignal>

namespace penstock::work {

namespace {

sys::SignalFd caught_signals() {
  static constexpr int kAll[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : kAll) {
    if (sys::is_ignored(signal)) continue;
    sys::block_signals({signal});
    sigaddset(&set, signal);
  }
  return sys::SignalFd(set);
}

}  // namespace

Interruption::Interruption(sys::EventLoop& loop)
    : signals_(caught_signals()), watch_(loop, signals_.fd(), EPOLLIN, [this](uint32_t) {
        while (const auto next = signals_.next()) {
          if (signal_) continue;
          signal_ = next;
          if (listener_) listener_(*signal_);
        }
      }) {}

void Interruption::tell(std::function<void(int)> listener) {
  listener_ = std::move(listener);
  if (listener_ && signal_) listener_(*signal_);
}

void Interruption::die_if_asked_to() const {
  if (signal_) sys::die_by(*signal_);
}

}  // namespace penstock::work
