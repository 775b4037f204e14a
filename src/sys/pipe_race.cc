#include "sys/pipe_race.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "base/error.h"
#include "sys/pipe.h"

namespace penstock::sys {

namespace {

using Clock = std::chrono::steady_clock;

// Twice what an ordinary pipe holds: the writer must fall asleep with as much again in hand.
std::array<char, 2UL * 65536> buffer{};

constexpr int kPatienceMs = 300;  // silence as long as this is no matter of scheduling

// Writes more than the pipe holds, and so falls asleep. Killed and reaped by the destructor.
class Writer {
 public:
  explicit Writer(const Pipe& pipe) {
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) throw Error::from_errno("fork");
    if (pid_ > 0) return;
    // HAZARD: the child of a fork; system calls only.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    ::_exit(::write(pipe.write.get(), buffer.data(), buffer.size()) < 0 ? 1 : 0);
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() {
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

 private:
  pid_t pid_ = -1;
};

bool wait_readable(int fd, int milliseconds) {
  pollfd entry{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&entry, 1, milliseconds) > 0 &&
         (static_cast<unsigned>(entry.revents) & POLLIN) != 0;
}

// Until the writer has filled the pipe, and a moment longer, in which it falls asleep.
bool wait_full(const Pipe& pipe) {
  constexpr int kTries = 200;
  for (int i = 0; i < kTries; ++i) {
    const bool is_full = !poll_now(pipe.write.get()).writable;
    ::poll(nullptr, 0, 1);
    if (is_full) return true;
  }
  return false;
}

enum class Attempt { fine, lost, impossible };

Attempt attempt(size_t largest) {
  const Pipe pipe = Pipe::make();
  if (pipe_size(pipe.read.get()) >= std::min(largest, buffer.size())) return Attempt::impossible;
  const Writer writer(pipe);
  if (!wait_full(pipe)) return Attempt::fine;
  if (!set_pipe_size(pipe.read.get(), largest)) return Attempt::impossible;
  static std::array<char, 65536> sink{};
  for (size_t left = buffer.size(); left > 0;) {
    if (!wait_readable(pipe.read.get(), kPatienceMs)) {
      // Silence. If it is the bug, the pipe is empty, has room, and giving it the size that it has
      // brings the writer back.
      const bool has_room = poll_now(pipe.write.get()).writable;
      const bool is_cured = has_room && set_pipe_size(pipe.read.get(), largest) &&
                            wait_readable(pipe.read.get(), kPatienceMs);
      return is_cured ? Attempt::lost : Attempt::fine;
    }
    const ssize_t count = ::read(pipe.read.get(), sink.data(), std::min(sink.size(), left));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return Attempt::fine;
    left -= static_cast<size_t>(count);
  }
  return Attempt::fine;
}

}  // namespace

std::optional<PipeRace> provoke_lost_wakeup(int most, std::chrono::milliseconds limit) {
  const size_t largest = largest_pipe_size();
  const Clock::time_point end = Clock::now() + limit;
  PipeRace race;
  try {
    while (race.attempts < most && !race.provoked && Clock::now() < end) {
      const Attempt outcome = attempt(largest);
      if (outcome == Attempt::impossible) break;
      ++race.attempts;
      race.provoked = outcome == Attempt::lost;
    }
  } catch (const Error&) {
    // No descriptor or no process to be had: what was tried so far counts.
  }
  if (race.attempts == 0) return std::nullopt;
  return race;
}

}  // namespace penstock::sys
