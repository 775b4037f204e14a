// A signal that asks this process to end, told to whoever is at work.
#pragma once

#include <functional>
#include <optional>

#include "sys/event_loop.h"
#include "sys/signals.h"

namespace penstock::work {

class Interruption {
 public:
  // From here on HUP, INT, QUIT and TERM arrive here rather than end the process at once; those
  // that our caller had ignored (nohup) stay ignored.
  explicit Interruption(sys::EventLoop& loop);

  std::optional<int> signal() const { return signal_; }
  bool has_come() const { return signal_.has_value(); }
  // Called with the signal, at once if it has come already. One at a time; null for nobody.
  void tell(std::function<void(int)> listener);
  // Does not return if a signal has come: ends the process by it.
  void die_if_asked_to() const;

 private:
  std::optional<int> signal_;
  std::function<void(int)> listener_;
  sys::SignalFd signals_;
  sys::Watch watch_;
};

}  // namespace penstock::work
