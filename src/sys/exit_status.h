// How a process ended, as a value.
#pragma once

#include <string>

namespace penstock::sys {

class ExitStatus {
 public:
  static ExitStatus exited(int code) { return ExitStatus(code, 0, false); }
  static ExitStatus killed(int signal, bool core = false) { return ExitStatus(0, signal, core); }
  // From the code and status of waitid(2)'s siginfo.
  static ExitStatus from_siginfo(int how, int value);

  bool success() const { return signal_ == 0 && code_ == 0; }
  bool was_killed() const { return signal_ != 0; }
  bool was_killed_by(int signal) const { return signal_ == signal; }
  bool exited_with(int code) const { return signal_ == 0 && code_ == code; }
  int code() const { return code_; }
  int signal() const { return signal_; }
  // As a shell has it: 128 + signal for a killed one.
  int shell_status() const { return signal_ != 0 ? 128 + signal_ : code_; }
  // "exited 3", "was killed by SIGKILL", for a sentence whose subject is the process.
  std::string sentence() const;

  bool operator==(const ExitStatus&) const = default;

 private:
  ExitStatus(int code, int signal, bool core) : code_(code), signal_(signal), core_(core) {}
  int code_ = 0;
  int signal_ = 0;
  bool core_ = false;
};

// "SIGTERM"; "signal 40" for one without a name.
std::string signal_name(int signal);

}  // namespace penstock::sys
