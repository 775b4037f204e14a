#include "sys/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>

#include "base/error.h"
#include "base/text.h"
#include "sys/beneath.h"
#include "sys/files.h"

namespace penstock::sys {

Directory::Directory(const std::string& path)
    : path_(path), fd_(open_file(path, O_RDONLY | O_DIRECTORY)) {}

void Directory::for_each_name(const std::function<void(const char*)>& visit) const {
  // A description of its own, so that two listings do not share a position.
  UniqueFd own = open_at(fd_.get(), ".", O_RDONLY | O_DIRECTORY);
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(fdopendir(own.get()), closedir);
  if (!stream) throw Error::from_errno(cat("list ", printable(path_)));
  static_cast<void>(own.release());  // the stream owns it now
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(stream.get());
    if (entry == nullptr) break;
    const std::string_view name = static_cast<const char*>(entry->d_name);
    if (name != "." && name != "..") visit(name.data());
  }
  if (errno != 0) throw Error::from_errno(cat("list ", printable(path_)));
}

void Directory::sync() const {
  for (;;) {
    if (::fsync(fd_.get()) == 0) return;
    // EINVAL: a file system (some of those over a network) that has no such thing for directories.
    if (errno == EINVAL) return;
    if (errno != EINTR) throw Error::from_errno(cat("fsync ", printable(path_)));
  }
}

std::optional<struct stat> Directory::status(const std::string& name, Links links) const {
  struct stat status {};
  const int flags = links == Links::keep ? AT_SYMLINK_NOFOLLOW : 0;
  if (::fstatat(fd_.get(), name.c_str(), &status, flags) == 0) return status;
  if (errno == ENOENT) return std::nullopt;
  throw Error::from_errno(cat("stat ", printable(path_), "/", printable(name)));
}

bool Directory::is_writable() const {
  return ::faccessat(fd_.get(), ".", W_OK | X_OK, AT_EACCESS) == 0;
}

std::optional<UniqueFd> Directory::try_open(const std::string& name, int flags, mode_t mode) const {
  auto fd = try_open_beneath(fd_.get(), name, flags, mode);
  if (!fd) return std::nullopt;
  return moved_high(std::move(*fd));
}

std::optional<UniqueFd> Directory::try_look_at(const std::string& name) const {
  return try_open_beneath(fd_.get(), name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
}

bool Directory::lets_names_go() const {
  struct statfs system {};
  if (::fstatfs(fd_.get(), &system) != 0) return false;
  switch (system.f_type) {
    case EXT4_SUPER_MAGIC:
    case XFS_SUPER_MAGIC:
    case BTRFS_SUPER_MAGIC:
    case F2FS_SUPER_MAGIC:
    case TMPFS_MAGIC:
      return true;
    default:
      return false;
  }
}

std::optional<UniqueFd> Directory::try_hold(const std::string& name) const {
  UniqueFd fd(::openat(fd_.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return std::nullopt;
  return fd;
}

std::optional<UniqueFd> Directory::try_create_unnamed(mode_t mode) const {
  auto fd = try_open(".", O_TMPFILE | O_WRONLY, mode);
  if (fd && ::access(cat("/proc/self/fd/", fd->get()).c_str(), F_OK) != 0) return std::nullopt;
  return fd;
}

bool Directory::remove(const std::string& name) const {
  if (::unlinkat(fd_.get(), name.c_str(), 0) == 0) return true;
  if (errno == ENOENT) return false;
  throw Error::from_errno(cat("remove ", printable(path_), "/", printable(name)));
}

void Directory::link(int fd, const std::string& name) const {
  const std::string source = cat("/proc/self/fd/", fd);
  if (::linkat(AT_FDCWD, source.c_str(), fd_.get(), name.c_str(), AT_SYMLINK_FOLLOW) != 0) {
    throw Error::from_errno(cat("link ", printable(path_), "/", printable(name)));
  }
}

void Directory::link_name(const std::string& from, const Directory& target,
                          const std::string& to) const {
  if (::linkat(fd_.get(), from.c_str(), target.fd(), to.c_str(), 0) != 0) {
    throw Error::from_errno(cat("link ", printable(target.path()), "/", printable(to)));
  }
}

void Directory::make_symlink(const std::string& destination, const std::string& name) const {
  if (::symlinkat(destination.c_str(), fd_.get(), name.c_str()) != 0) {
    throw Error::from_errno(cat("symlink ", printable(path_), "/", printable(name)));
  }
}

void Directory::rename(const std::string& from, const std::string& to) const {
  if (::renameat(fd_.get(), from.c_str(), fd_.get(), to.c_str()) != 0) {
    throw Error::from_errno(cat("rename ", printable(path_), "/", printable(from)));
  }
}

void Directory::rename_to_free_name(const std::string& from, const Directory& target,
                                    const std::string& to) const {
  const auto failed = [&] {
    return Error::from_errno(cat("rename ", printable(path_), "/", printable(from), " to ",
                                 printable(target.path()), "/", printable(to)));
  };
  if (::renameat2(fd_.get(), from.c_str(), target.fd(), to.c_str(), RENAME_NOREPLACE) == 0) return;
  if (errno != EINVAL && errno != ENOSYS) throw failed();
  if (target.status(to, Links::keep)) {
    errno = EEXIST;
    throw failed();
  }
  if (::renameat(fd_.get(), from.c_str(), target.fd(), to.c_str()) != 0) throw failed();
}

bool make_directory(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0) return true;
  if (errno == EEXIST) return false;
  throw Error::from_errno(cat("mkdir ", printable(path)));
}

}  // namespace penstock::sys
