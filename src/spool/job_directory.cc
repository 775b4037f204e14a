#include "spool/job_directory.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "sys/beneath.h"
#include "sys/files.h"

namespace penstock::spool {

namespace {

using Why = NoJobFile::Why;

// What a job name must not be, for a sentence; null for a regular file.
const char* special_kind(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return nullptr;
    case S_IFDIR:
      return "is a directory";
    case S_IFIFO:
      return "is a FIFO";
    case S_IFSOCK:
      return "is a socket";
    default:
      return "is a device";
  }
}

Timestamp change_time(const struct stat& status) {
  return {.seconds = status.st_ctim.tv_sec,
          .nanoseconds = static_cast<uint32_t>(status.st_ctim.tv_nsec)};
}

}  // namespace

bool is_job_name(std::string_view name) {
  return name.starts_with("fspl-") && name.ends_with(".fspl");
}

bool is_temporary_name(std::string_view name) {
  return name.starts_with("tmp-") && name.ends_with(".fspl.tmp");
}

JobDirectory::Names JobDirectory::list() const {
  Names names;
  directory_.for_each_name([&](const char* name) {
    if (is_job_name(name)) names.jobs.emplace_back(name);
    if (is_temporary_name(name)) names.temporaries.emplace_back(name);
  });
  return names;
}

std::variant<JobFile, NoJobFile> JobDirectory::open(const std::string& name) const {
  // O_NONBLOCK: a FIFO would wait for its writer.
  auto fd = directory_.try_look_at(name);
  if (!fd) {
    const int reason = errno;
    if (reason == ENXIO)
      return NoJobFile{Why::not_a_file, "is a socket or a device without driver"};
    if (reason == ELOOP) {
      if (auto planted = sys::planted_link(directory_.fd(), name)) {
        return NoJobFile{Why::unreadable, std::move(*planted)};
      }
    }
    if (reason != ENOENT) {
      return NoJobFile{Why::unreadable, std::generic_category().message(reason)};
    }
    if (!directory_.status(name, sys::Links::keep)) return NoJobFile{Why::vanished, ""};
    return NoJobFile{Why::unreadable, "symbolic link to nothing"};
  }
  const struct stat status = sys::status_of(fd->get(), printable(name));
  if (const char* kind = special_kind(status.st_mode)) return NoJobFile{Why::not_a_file, kind};
  return JobFile{
      .fd = std::move(*fd), .id = FileIdentity::of(status), .changed = change_time(status)};
}

std::optional<JobDirectory::Seen> JobDirectory::look_at(const std::string& name) const {
  struct stat status {};
  if (::fstatat(directory_.fd(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
      !S_ISREG(status.st_mode)) {
    return std::nullopt;
  }
  return Seen{.id = FileIdentity::of(status), .changed = change_time(status)};
}

JobDirectory::Removal JobDirectory::remove(const std::string& name, const FileIdentity& id) const {
  const auto status = directory_.status(name, sys::Links::follow);
  if (status && FileIdentity::of(*status) != id) return Removal::changed;
  // Without a status there may still be a link, whose file its command has removed: it goes too.
  return directory_.remove(name) ? Removal::removed : Removal::vanished;
}

void JobDirectory::check_removable(const std::string& name) const {
  const auto refused = [&](int errnum) {
    return Error::from_errno(cat("its file could not be removed from ",
                                 printable(directory_.path()), " when it is done"),
                             errnum);
  };
  if (!directory_.is_writable()) throw refused(errno);
  const struct stat folder = sys::status_of(directory_.fd(), printable(directory_.path()));
  const uid_t we = ::geteuid();
  if ((folder.st_mode & S_ISVTX) == 0 || we == 0 || folder.st_uid == we) return;
  const auto file = directory_.status(name, sys::Links::keep);
  if (file && file->st_uid != we) throw refused(EPERM);
}

}  // namespace penstock::spool
