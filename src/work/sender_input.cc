#include "work/sender_input.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "base/error.h"
#include "base/text.h"
#include "sys/exit_status.h"
#include "sys/files.h"

namespace penstock::work {

namespace {

constexpr size_t kBlock = 128UL << 10U;

}  // namespace

void EndSignals::wait_for(int fd, short events) const {
  std::array<pollfd, 2> entries{{{.fd = signals_.fd(), .events = POLLIN, .revents = 0},
                                 {.fd = fd, .events = events, .revents = 0}}};
  wait(entries, -1);
}

void EndSignals::sleep(std::chrono::milliseconds time) const {
  std::array<pollfd, 1> entries{{{.fd = signals_.fd(), .events = POLLIN, .revents = 0}}};
  wait(entries, static_cast<int>(time.count()));
}

void EndSignals::wait(std::span<pollfd> entries, int milliseconds) const {
  while (::poll(entries.data(), entries.size(), milliseconds) < 0) {
    if (errno != EINTR) throw Error::from_errno("poll");
  }
  if (entries[0].revents == 0) return;
  if (const auto signal = signals_.next()) throw Error(cat("ended by ", sys::signal_name(*signal)));
}

sys::SignalFd EndSignals::blocked() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGHUP, SIGINT, SIGTERM}) {
    if (sys::is_ignored(signal)) continue;
    sys::block_signals({signal});
    sigaddset(&set, signal);
  }
  return sys::SignalFd(set);
}

Input::Input(const std::optional<std::string>& name) {
  if (!name) return;
  if (*name == "-") {
    sys::check_stdin();
    name_ = "standard input";
    fd_ = STDIN_FILENO;
  } else {
    name_ = printable(*name);
    file_ = sys::open_file(*name, O_RDONLY);
    fd_ = file_.get();
  }
  if (S_ISDIR(sys::status_of(fd_, name_).st_mode))
    throw Error(cat("read ", name_, ": it is a directory"));
  block_.resize(kBlock);
}

std::span<const uint8_t> Input::next(const EndSignals& signals) {
  if (fd_ < 0) return {};
  signals.wait_for(fd_, POLLIN);
  return std::span(block_).first(sys::read_some(fd_, block_, name_));
}

}  // namespace penstock::work
