#include "sys/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <memory>

#include "base/error.h"
#include "base/text.h"
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
  sync_file(fd_.get(), printable(path_));
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

void Directory::rename(const std::string& from, const std::string& to) const {
  if (::renameat(fd_.get(), from.c_str(), fd_.get(), to.c_str()) != 0) {
    throw Error::from_errno(cat("rename ", printable(path_), "/", printable(from)));
  }
}

void Directory::rename_to_free_name(const std::string& from, const Directory& target,
                                    const std::string& to) const {
  if (::renameat2(fd_.get(), from.c_str(), target.fd(), to.c_str(), RENAME_NOREPLACE) != 0) {
    throw Error::from_errno(cat("rename ", printable(path_), "/", printable(from), " to ",
                                printable(target.path()), "/", printable(to)));
  }
}

}  // namespace penstock::sys
