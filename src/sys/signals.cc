#include "sys/signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "sys/files.h"

namespace penstock::sys {

namespace {

bool sigxfsz_is_ours = false;  // it was not ignored before

}  // namespace

sigset_t signal_set(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  return set;
}

void block_signals(std::initializer_list<int> signals) {
  const sigset_t set = signal_set(signals);
  if (const int error = pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) {
    throw Error::from_errno("block signals", error);
  }
}

void unblock_signals(std::initializer_list<int> signals) {
  const sigset_t set = signal_set(signals);
  if (const int error = pthread_sigmask(SIG_UNBLOCK, &set, nullptr); error != 0) {
    throw Error::from_errno("unblock signals", error);
  }
}

void block_all_signals() {
  sigset_t set;
  sigfillset(&set);
  if (const int error = pthread_sigmask(SIG_SETMASK, &set, nullptr); error != 0) {
    throw Error::from_errno("block signals", error);
  }
}

SignalsHeld::SignalsHeld() {
  sigset_t all;
  sigfillset(&all);
  if (const int error = pthread_sigmask(SIG_BLOCK, &all, &before_); error != 0) {
    throw Error::from_errno("block signals", error);
  }
}

SignalsHeld::~SignalsHeld() {
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void ignore_sigpipe() {
  ::signal(SIGPIPE, SIG_IGN);
}

void ignore_sigxfsz() {
  sigxfsz_is_ours = ::signal(SIGXFSZ, SIG_IGN) == SIG_DFL;
}

sigset_t signals_ignored_for_us() {
  return sigxfsz_is_ours ? signal_set({SIGXFSZ}) : signal_set({});
}

void heed_sigchld() {
  ::signal(SIGCHLD, SIG_DFL);
}

bool is_ignored(int signal) {
  struct sigaction action {};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

SignalFd::SignalFd(const sigset_t& signals) {
  fd_.reset(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd_) throw Error::from_errno("make a signalfd");
  fd_ = moved_high(std::move(fd_));
}

std::optional<int> SignalFd::next() const {
  const auto received = next_received();
  return received ? std::optional(received->signal) : std::nullopt;
}

std::optional<SignalFd::Received> SignalFd::next_received() const {
  signalfd_siginfo info{};
  for (;;) {
    if (::read(fd_.get(), &info, sizeof info) > 0) {
      return Received{.signal = static_cast<int>(info.ssi_signo),
                      .sender = static_cast<pid_t>(info.ssi_pid)};
    }
    if (errno != EINTR) return std::nullopt;
  }
}

void die_by(int signal) {
  ::signal(signal, SIG_DFL);
  const sigset_t set = signal_set({signal});
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  ::raise(signal);
  ::_exit(128 + signal);  // the signal's default is not to end us
}

}  // namespace penstock::sys
