#include "work/interruption.h"

#include <unistd.h>

#include <csignal>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "sys/exit_status.h"

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

Interruption::Interruption(sys::EventLoop& loop, std::chrono::seconds patience, Senders senders)
    : patience_(patience),
      senders_(senders),
      parent_(::getppid()),
      patience_timer_(loop, [this] { tell_now(); }),
      signals_(caught_signals()),
      watch_(loop, signals_.fd(), EPOLLIN, [this](uint32_t) { take_signals(); }) {}

bool Interruption::is_orphan() const {
  return senders_ == Senders::also_parent && ::getppid() != parent_;
}

void Interruption::take_signals() {
  while (const auto next = signals_.next_received()) {
    const bool is_passed_on = next->sender == ::getppid();
    if (!signal_) {
      signal_ = next->signal;
      first_was_passed_on_ = is_passed_on;
      tell_soon();
    } else if (senders_ == Senders::any || is_orphan() || is_passed_on == first_was_passed_on_) {
      tell_now();
    }
    if (each_) each_(next->signal);
  }
}

void Interruption::tell_soon() {
  if (!listener_) return;
  if (!is_patient()) {
    tell_now();
    return;
  }
  Log::info(cat(sys::signal_name(*signal_), ": the running job may take another ",
                patience_.count(), " s; a second signal ends it at once"));
  patience_timer_.set(patience_);
}

void Interruption::tell_now() {
  patience_timer_.clear();
  if (listener_ && !std::exchange(is_told_, true)) listener_(*signal_);
}

bool Interruption::has_come_by_now() {
  take_signals();
  // Its signal comes a moment after its pipes are closed.
  if (!signal_ && is_orphan()) signal_ = SIGTERM;
  return has_come();
}

void Interruption::tell(std::function<void(int)> listener) {
  listener_ = std::move(listener);
  is_told_ = false;
  patience_timer_.clear();
  if (signal_) tell_soon();
}

void Interruption::die_if_asked_to() const {
  if (signal_) sys::die_by(*signal_);
}

}  // namespace penstock::work
