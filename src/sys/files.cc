#include "sys/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/error.h"
#include "base/text.h"

namespace penstock::sys {

namespace {

// Calls `call` until it does not fail with EINTR.
template <typename Call>
auto retried(Call call) {
  for (;;) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

std::array<bool, 3> closed{};  // by our caller, before /dev/null took its place

}  // namespace

UniqueFd moved_high(UniqueFd fd) {
  if (!fd || fd.get() >= kLowestFd) return fd;
  return duplicate(fd.get());
}

bool is_inherited(int fd) {
  const int flags = fcntl(fd, F_GETFD);
  return flags >= 0 && (static_cast<unsigned>(flags) & FD_CLOEXEC) == 0;
}

void close_inherited() {
  constexpr unsigned kFirst = 3;
  ::syscall(SYS_close_range, kFirst, ~0U, 0U);  // an old kernel without it: they stay
}

void check_stdout() {
  if (closed[STDOUT_FILENO]) throw Error::from_errno("write standard output", EBADF);
}

void check_stdin() {
  if (closed[STDIN_FILENO]) throw Error::from_errno("read standard input", EBADF);
}

void fill_closed_standard_fds() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    // The lowest free one is the one that is closed. Inherited on purpose, so not close-on-exec.
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
      closed.at(static_cast<size_t>(fd)) = true;
      // NOLINTNEXTLINE(android-cloexec-open): see above
      static_cast<void>(::open("/dev/null", O_RDWR));
    }
  }
}

UniqueFd duplicate(int fd) {
  UniqueFd copy(fcntl(fd, F_DUPFD_CLOEXEC, kLowestFd));
  if (!copy) throw Error::from_errno(cat("duplicate descriptor ", fd));
  return copy;
}

UniqueFd open_file(const std::string& path, int flags, mode_t mode) {
  auto fd = try_open(path, flags, mode);
  if (!fd) throw Error::from_errno(cat("open ", printable(path)));
  return std::move(*fd);
}

std::optional<UniqueFd> try_open(const std::string& path, int flags, mode_t mode) {
  UniqueFd fd(retried([&] { return ::open(path.c_str(), flags | O_CLOEXEC, mode); }));
  if (!fd) return std::nullopt;
  return moved_high(std::move(fd));
}

bool is_shortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOMEM;
}

UniqueFd open_at(int directory, const std::string& name, int flags, mode_t mode) {
  UniqueFd fd(retried([&] { return ::openat(directory, name.c_str(), flags | O_CLOEXEC, mode); }));
  if (!fd) throw Error::from_errno(cat("open ", printable(name)));
  return moved_high(std::move(fd));
}

UniqueFd reopen(int fd, int flags) {
  return open_file(cat("/proc/self/fd/", fd), flags);
}

UniqueFd make_memfd(const std::string& name) {
  UniqueFd fd(memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) throw Error::from_errno(cat("memfd_create ", name));
  return moved_high(std::move(fd));
}

UniqueFd open_dev_null(int flags) {
  return open_file("/dev/null", flags);
}

void close(UniqueFd fd, std::string_view name) {
  // After EINTR the descriptor is closed all the same, so that is no error.
  if (::close(fd.release()) != 0 && errno != EINTR) throw Error::from_errno(cat("close ", name));
}

size_t read_some(int fd, std::span<uint8_t> into, std::string_view name) {
  const ssize_t count = retried([&] { return ::read(fd, into.data(), into.size()); });
  if (count < 0) throw Error::from_errno(cat("read ", name));
  return static_cast<size_t>(count);
}

size_t read_full(int fd, std::span<uint8_t> into, std::string_view name) {
  size_t done = 0;
  while (done < into.size()) {
    const size_t count = read_some(fd, into.subspan(done), name);
    if (count == 0) break;
    done += count;
  }
  return done;
}

size_t pread_some(int fd, std::span<uint8_t> into, off_t offset, std::string_view name) {
  const ssize_t count = retried([&] { return ::pread(fd, into.data(), into.size(), offset); });
  if (count < 0) throw Error::from_errno(cat("read ", name));
  return static_cast<size_t>(count);
}

size_t pread_full(int fd, std::span<uint8_t> into, off_t offset, std::string_view name) {
  size_t done = 0;
  while (done < into.size()) {
    const ssize_t count = retried([&] {
      return ::pread(fd, into.data() + done, into.size() - done, offset + static_cast<off_t>(done));
    });
    if (count < 0) throw Error::from_errno(cat("read ", name));
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  return done;
}

std::string read_small_file(int fd, size_t limit, std::string_view name) {
  std::string text(limit, '\0');
  const std::span<uint8_t> into(reinterpret_cast<uint8_t*>(text.data()), text.size());
  text.resize(pread_full(fd, into, 0, name));
  return text;
}

UniqueFd open_input(const std::string& path) {
  UniqueFd fd = open_file(path, O_RDONLY | O_NONBLOCK);
  set_blocking(fd.get());
  return fd;
}

std::string read_to_end(int fd, size_t limit, std::string_view name) {
  constexpr size_t kBlock = 64UL << 10U;
  std::string text;
  for (;;) {
    const size_t done = text.size();
    text.resize(done + kBlock);
    const ssize_t count = retried([&] { return ::read(fd, text.data() + done, kBlock); });
    if (count < 0) throw Error::from_errno(cat("read ", name));
    text.resize(done + static_cast<size_t>(count));
    if (count == 0) return text;
    if (text.size() > limit) throw Error(cat("read ", name, ": more than ", limit, " bytes"));
  }
}

void write_all(int fd, std::span<const uint8_t> bytes, std::string_view name) {
  while (!bytes.empty()) {
    const ssize_t count = retried([&] { return ::write(fd, bytes.data(), bytes.size()); });
    if (count < 0) throw Error::from_errno(cat("write ", name));
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
}

void write_all(int fd, std::string_view text, std::string_view name) {
  write_all(fd, as_bytes(text), name);
}

void pwrite_all(int fd, std::string_view text, off_t offset, std::string_view name) {
  while (!text.empty()) {
    const ssize_t count = retried([&] { return ::pwrite(fd, text.data(), text.size(), offset); });
    if (count < 0) throw Error::from_errno(cat("write ", name));
    text.remove_prefix(static_cast<size_t>(count));
    offset += count;
  }
}

void seek(int fd, off_t offset, std::string_view name) {
  if (::lseek(fd, offset, SEEK_SET) < 0) throw Error::from_errno(cat("seek in ", name));
}

void set_blocking(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0) {
    throw Error::from_errno(cat("set descriptor ", fd, " blocking"));
  }
}

void sync_file(int fd, std::string_view name) {
  if (retried([&] { return ::fsync(fd); }) != 0) throw Error::from_errno(cat("fsync ", name));
}

void sync_data(int fd, std::string_view name) {
  if (retried([&] { return ::fdatasync(fd); }) != 0)
    throw Error::from_errno(cat("fdatasync ", name));
}

void truncate(int fd, off_t size, std::string_view name) {
  if (retried([&] { return ::ftruncate(fd, size); }) != 0) {
    throw Error::from_errno(cat("truncate ", name));
  }
}

struct stat status_of(int fd, std::string_view name) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) throw Error::from_errno(cat("stat ", name));
  return status;
}

std::optional<Timestamp> birth_time_of(int fd) {
  struct statx status {};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &status) != 0) return std::nullopt;
  if ((status.stx_mask & STATX_BTIME) == 0) return std::nullopt;
  return Timestamp{.seconds = status.stx_btime.tv_sec, .nanoseconds = status.stx_btime.tv_nsec};
}

std::optional<struct stat> status_of_path(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) return status;
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  throw Error::from_errno(cat("stat ", printable(path)));
}

bool is_fifo(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISFIFO(status.st_mode);
}

std::span<const uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

}  // namespace penstock::sys
