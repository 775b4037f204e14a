// A signal that asks this process to end, told to whoever is at work.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <utility>

#include "sys/event_loop.h"
#include "sys/signals.h"

namespace penstock::work {

class Interruption {
 public:
  // From here on HUP, INT, QUIT and TERM arrive here rather than end the process at once; those
  // that our caller had ignored (nohup) stay ignored. For `patience` after the first one nobody is
  // told, unless a second one comes.
  // A signal may come twice, directly and passed on by our parent: where that is so, the other one
  // of the two is no second signal. Once that parent is dead nobody has patience any more: where
  // the job's output went through it, the job fails for that.
  enum class Senders { any, also_parent };
  explicit Interruption(sys::EventLoop& loop, std::chrono::seconds patience = {},
                        Senders senders = Senders::any);

  std::optional<int> signal() const { return signal_; }
  bool has_come() const { return signal_.has_value(); }
  // The same, having looked whether one has come since the last turn of the loop.
  bool has_come_by_now();
  // Whether a job may go on for a while after a signal.
  bool is_patient() const { return patience_.count() > 0 && !is_orphan(); }
  // Called with the signal, once patience is over; if there is none, and it has come already, at
  // once. One at a time; null for nobody.
  void tell(std::function<void(int)> listener);
  // Called with each signal, also the second.
  void tell_each(std::function<void(int)> listener) { each_ = std::move(listener); }
  // Does not return if a signal has come: ends the process by it.
  void die_if_asked_to() const;

 private:
  void take_signals();
  bool is_orphan() const;
  void tell_soon();
  void tell_now();

  std::chrono::seconds patience_;
  std::optional<int> signal_;
  bool is_told_ = false;  // the listener
  std::function<void(int)> listener_;
  std::function<void(int)> each_;
  Senders senders_;
  pid_t parent_;
  bool first_was_passed_on_ = false;
  sys::Timer patience_timer_;
  sys::SignalFd signals_;
  sys::Watch watch_;
};

}  // namespace penstock::work
