// Signals as data: blocked sets and a descriptor to read them from. There are no signal handlers
// here.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <initializer_list>
#include <optional>

#include "sys/unique_fd.h"

namespace penstock::sys {

sigset_t signal_set(std::initializer_list<int> signals);
// Blocks `signals` in this thread (and those it starts) until the process ends.
void block_signals(std::initializer_list<int> signals);
void unblock_signals(std::initializer_list<int> signals);
void block_all_signals();
// Nothing but SIGKILL and SIGSTOP reaches this thread as long as it lives; what came meanwhile is
// delivered at its end.
class SignalsHeld {
 public:
  SignalsHeld();
  ~SignalsHeld();
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;

 private:
  sigset_t before_;
};
void ignore_sigpipe();
// A file that has reached its size limit (ulimit -f) is a failed write to be told, not a death. For
// this process only: spawn_self() gives those of signals_ignored_for_us() back their default.
void ignore_sigxfsz();
sigset_t signals_ignored_for_us();
// Sets SIGCHLD to its default, in case we inherited it ignored.
void heed_sigchld();
// Whether we inherited `signal` ignored (as under nohup).
bool is_ignored(int signal);

// Delivers blocked signals as readable data.
class SignalFd {
 public:
  // The signals must be blocked already.
  explicit SignalFd(const sigset_t& signals);
  int fd() const { return fd_.get(); }
  // The next pending one, or nothing.
  std::optional<int> next() const;
  struct Received {
    int signal = 0;
    pid_t sender = 0;  // 0: the kernel, for instance by Ctrl-C
  };
  std::optional<Received> next_received() const;

 private:
  UniqueFd fd_;
};

// Ends this process by `signal`, as if it had never been caught, so that the caller's shell sees
// it.
[[noreturn]] void die_by(int signal);

}  // namespace penstock::sys
