// sys/: every system call wrapped once, so that its error cannot be dropped; descriptors, pipes,
// processes, signals, the event loop. It knows nothing of jobs, and is the only room that spawns.
#pragma once

#include <unistd.h>

#include <utility>

namespace penstock::sys {

// Owns one file descriptor. A plain `int fd` parameter is always borrowed.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  // Closes what it held. Whoever must know whether closing worked calls sys::close(std::move(fd)).
  void reset(int fd = -1) {
    if (fd_ >= 0) ::close(fd_);  // never retried: on Linux the descriptor is gone even after EINTR
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

}  // namespace penstock::sys
