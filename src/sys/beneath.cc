#include "sys/beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <system_error>

#include "base/text.h"
#include "sys/files.h"

namespace penstock::sys {

namespace {

// Fails with ELOOP where `name` is a link. One component can lead out of the directory by nothing
// else, so O_NOFOLLOW says as much where the kernel (before 5.6) or a filter has no openat2.
int open_without_links(int directory, const char* name, int flags, mode_t mode) {
  static std::atomic<bool> has_openat2 = true;
  constexpr unsigned kMakes = O_CREAT | O_TMPFILE;
  const bool makes = (static_cast<unsigned>(flags) & kMakes & ~unsigned{O_DIRECTORY}) != 0;
  open_how how{};
  how.flags = static_cast<unsigned>(flags) | O_CLOEXEC;
  how.mode = makes ? mode : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  for (;;) {
    if (!has_openat2) return ::openat(directory, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
    const long fd = ::syscall(SYS_openat2, directory, name, &how, sizeof how);
    if (fd >= 0) return static_cast<int>(fd);
    if (errno == EPERM) return ::openat(directory, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
    if (errno != ENOSYS) return -1;
    has_openat2 = false;
  }
}

// The link itself; nothing if `name` is none.
struct Link {
  UniqueFd fd;
  uid_t owner = 0;
};
std::optional<Link> pin_link(int directory, const std::string& name) {
  // NOLINTNEXTLINE(android-cloexec-open): it is
  UniqueFd fd(::openat(directory, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0 || !S_ISLNK(status.st_mode)) return std::nullopt;
  return Link{.fd = std::move(fd), .owner = status.st_uid};
}

bool is_trusted(int directory, const Link& link) {
  struct stat folder {};
  if (link.owner == 0 || link.owner == ::geteuid()) return true;
  return ::fstat(directory, &folder) == 0 && folder.st_uid == link.owner;
}

// What the pinned link says is what is opened, whatever the name is by now.
int follow(int directory, const std::string& name, int flags, mode_t mode) {
  std::array<char, PATH_MAX + 1> target{};
  const auto link = pin_link(directory, name);
  if (!link || !is_trusted(directory, *link) ||
      ::readlinkat(link->fd.get(), "", target.data(), PATH_MAX) < 0) {
    errno = ELOOP;
    return -1;
  }
  return ::openat(directory, target.data(), flags | O_CLOEXEC, mode);
}

// Where the last component of `path` lies, and what it is called.
struct Place {
  UniqueFd directory;
  std::string name;
};
std::optional<Place> place_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (name.empty() || name == "." || name == "..") return std::nullopt;
  const std::string directory = slash == std::string::npos ? "."
                                : slash == 0               ? "/"
                                                           : path.substr(0, slash);
  auto fd = try_open(directory, O_PATH | O_DIRECTORY);
  if (!fd) return std::nullopt;
  return Place{.directory = std::move(*fd), .name = name};
}

}  // namespace

std::optional<UniqueFd> try_open_beneath(int directory, const std::string& name, int flags,
                                         mode_t mode) {
  for (;;) {
    UniqueFd fd(open_without_links(directory, name.c_str(), flags, mode));
    if (!fd && errno == ELOOP && (static_cast<unsigned>(flags) & O_NOFOLLOW) == 0) {
      fd = UniqueFd(follow(directory, name, flags, mode));
    }
    if (fd) return fd;
    if (errno != EINTR) return std::nullopt;
  }
}

std::optional<UniqueFd> try_open_unplanted(const std::string& path, int flags, mode_t mode) {
  const auto place = place_of(path);
  if (!place) return try_open(path, flags, mode);  // a directory, or an error that names the path
  auto fd = try_open_beneath(place->directory.get(), place->name, flags, mode);
  if (!fd) return std::nullopt;
  return moved_high(std::move(*fd));
}

std::optional<std::string> planted_link(int directory, const std::string& name) {
  const auto link = pin_link(directory, name);
  if (!link || is_trusted(directory, *link)) return std::nullopt;
  return cat("symbolic link of uid ", link->owner, ", which is not followed");
}

void refuse_planted_link(const std::string& path) {
  const auto place = place_of(path);
  if (!place) return;
  if (const auto planted = planted_link(place->directory.get(), place->name)) {
    throw Error(cat(printable(path), " is a ", *planted),
                std::error_code(ELOOP, std::generic_category()));
  }
}

Error open_error(const std::string& path) {
  Error error = Error::from_errno(cat("open ", printable(path)));
  if (!error.is(ELOOP)) return error;
  try {
    refuse_planted_link(path);
  } catch (const Error& planted) {
    return planted;
  }
  return error;
}

}  // namespace penstock::sys
