#include "sys/exit_status.h"

#include <csignal>
#include <cstring>

#include "base/text.h"

namespace penstock::sys {

ExitStatus ExitStatus::from_siginfo(int how, int value) {
  if (how == CLD_EXITED) return exited(value);
  return killed(value, how == CLD_DUMPED);
}

std::string ExitStatus::sentence() const {
  if (signal_ == 0) return cat("exited ", code_);
  return cat("was killed by ", signal_name(signal_), core_ ? " (core dumped)" : "");
}

std::string signal_name(int signal) {
  const char* name = sigabbrev_np(signal);
  if (name == nullptr) return cat("signal ", signal);
  return cat("SIG", name);
}

}  // namespace penstock::sys
