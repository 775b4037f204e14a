#include "sys/pipe.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>

#include "base/error.h"
#include "base/text.h"
#include "sys/files.h"

namespace penstock::sys {

Pipe Pipe::make() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw Error::from_errno("make a pipe");
  UniqueFd read(ends[0]);
  UniqueFd write(ends[1]);
  return {.read = moved_high(std::move(read)), .write = moved_high(std::move(write))};
}

size_t pipe_size(int fd) {
  const int size = fcntl(fd, F_GETPIPE_SZ);
  if (size < 0) throw Error::from_errno("ask for a pipe's size");
  return static_cast<size_t>(size);
}

bool set_pipe_size(int fd, size_t bytes) {
  return fcntl(fd, F_SETPIPE_SZ, static_cast<int>(bytes)) >= 0;
}

size_t largest_pipe_size() {
  static const size_t size = [] {
    constexpr size_t kUsual = 1U << 20U;
    auto fd = try_open("/proc/sys/fs/pipe-max-size", O_RDONLY);
    if (!fd) return kUsual;
    const std::string text = read_small_file(fd->get(), 32, "/proc/sys/fs/pipe-max-size");
    return static_cast<size_t>(parse_u64(trim(text)).value_or(kUsual));
  }();
  return size;
}

std::optional<UniqueFd> reopen_pipe_of(pid_t pid, int fd, ino_t inode, PipeSide side) {
  // Pinned first, which opens nothing: what the other process has there may change at any moment.
  const auto pinned = try_open(cat("/proc/", pid, "/fd/", fd), O_PATH);
  if (!pinned) return std::nullopt;
  struct stat status {};
  if (::fstat(pinned->get(), &status) != 0) return std::nullopt;
  if (!S_ISFIFO(status.st_mode) || status.st_ino != inode) {
    errno = ESTALE;
    return std::nullopt;
  }
  return try_open(cat("/proc/self/fd/", pinned->get()),
                  (side == PipeSide::read ? O_RDONLY : O_WRONLY) | O_NONBLOCK | O_NOCTTY);
}

ino_t inode_of(int fd) {
  return status_of(fd, "descriptor").st_ino;
}

bool is_pipe(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

size_t bytes_queued(int fd) {
  int count = 0;
  if (::ioctl(fd, FIONREAD, &count) != 0) return 0;
  return static_cast<size_t>(count);
}

PollState poll_now(int fd) {
  pollfd entry{.fd = fd, .events = POLLIN | POLLOUT, .revents = 0};
  while (::poll(&entry, 1, 0) < 0) {
    if (errno != EINTR) throw Error::from_errno("poll");
  }
  const auto events = static_cast<unsigned>(entry.revents);
  return {.readable = (events & POLLIN) != 0,
          .writable = (events & POLLOUT) != 0,
          .hung_up = (events & POLLHUP) != 0,
          .broken = (events & POLLERR) != 0};
}

}  // namespace penstock::sys
