#include "work/queue_check.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "spool/injection.h"
#include "spool/job_directory.h"
#include "spool/queue.h"
#include "sys/directory.h"
#include "sys/files.h"

namespace penstock::work {

namespace {

using Kind = QueueWarning::Kind;

constexpr mode_t kOthersWrite = S_IWGRP | S_IWOTH;

// "its group" or "everybody"; null if the mode lets nobody else write.
const char* who_may_write(mode_t mode) {
  if ((mode & S_IWOTH) != 0) return "everybody";
  return (mode & S_IWGRP) != 0 ? "its group" : nullptr;
}

const char* kind_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return "a regular file";
    case S_IFDIR:
      return "a directory";
    case S_IFLNK:
      return "a symbolic link";
    case S_IFIFO:
      return "a FIFO";
    case S_IFSOCK:
      return "a socket";
    default:
      return "a device";
  }
}

std::string real_path(const std::string& path) {
  const std::unique_ptr<char, decltype(&::free)> real(::realpath(path.c_str(), nullptr), &::free);
  if (!real) throw Error::from_errno(cat("look at ", printable(path)));
  return real.get();
}

class Check {
 public:
  explicit Check(const std::string& dir) : queue_(dir), folder_(dir) {}

  std::vector<QueueWarning> run() {
    const sys::Directory jobs = queue_.jobs_directory();
    check_above();
    check_directory(folder_.path(), status_in(folder_, "."));
    for (const char* name : {"nextseq", "nextseq.lock"}) {
      if (const auto status = folder_.status(name, sys::Links::keep)) {
        check_file(cat(folder_.path(), "/", name), *status);
      }
    }
    check_jobs(jobs);
    check_private();
    for (const spool::Temporary& file : spool::find_temporaries(queue_, Timestamp::now())) {
      if (file.is_old) {
        warn(Kind::temporary, cat(folder_.path(), "/", file.path),
             "was left by a writer that was killed (queue-sweep removes it)");
      }
    }
    return std::move(warnings_);
  }

 private:
  void warn(Kind kind, const std::string& path, std::string reason) {
    warnings_.push_back({.kind = kind, .path = path, .reason = std::move(reason)});
  }
  static struct stat status_in(const sys::Directory& directory, const char* name) {
    const auto status = directory.status(name, sys::Links::keep);
    if (!status) throw Error::from_errno(cat("look at ", printable(directory.path())), ENOENT);
    return *status;
  }
  void check_owner(const std::string& path, const struct stat& status) {
    if (status.st_uid == 0 || status.st_uid == ::geteuid()) return;
    warn(Kind::owner, path, cat("belongs to uid ", status.st_uid, ", who is neither we nor root"));
  }
  bool is_link(const std::string& path, const struct stat& status) {
    if (!S_ISLNK(status.st_mode)) return false;
    warn(Kind::link, path, "is a symbolic link: whoever owns its end decides what is there");
    return true;
  }

  void check_above();
  void check_directory(const std::string& path, const struct stat& status);
  void check_file(const std::string& path, const struct stat& status);
  void check_jobs(const sys::Directory& jobs);
  void check_private();

  spool::Queue queue_;
  sys::Directory folder_;
  std::vector<QueueWarning> warnings_;
};

// Whoever may rename the queue, or what it lies in, away can put another one in its place.
void Check::check_above() {
  std::string path = real_path(folder_.path());
  while (path != "/") {
    path.resize(std::max(path.rfind('/'), size_t{1}));
    const auto status = sys::status_of_path(path);
    if (!status) throw Error::from_errno(cat("look at ", printable(path)), ENOENT);
    check_owner(path, *status);
    const char* who = who_may_write(status->st_mode);
    if (who == nullptr || (status->st_mode & S_ISVTX) != 0) continue;
    warn(Kind::writable, path,
         cat("is writable for ", who, " and not sticky: the queue in it can be replaced"));
  }
}

void Check::check_directory(const std::string& path, const struct stat& status) {
  check_owner(path, status);
  if (const char* who = who_may_write(status.st_mode)) {
    warn(Kind::writable, path,
         cat("is writable for ", who, ": names in it can be made",
             (status.st_mode & S_ISVTX) != 0 ? "" : " and replaced"));
  }
}

// The queue's own: its number and its lock.
void Check::check_file(const std::string& path, const struct stat& status) {
  check_owner(path, status);
  if (is_link(path, status)) return;
  if (!S_ISREG(status.st_mode)) {
    warn(Kind::special, path, cat("is ", kind_of(status.st_mode)));
    return;
  }
  if (const char* who = who_may_write(status.st_mode)) {
    warn(Kind::writable, path, cat("is writable for ", who));
  }
  if (status.st_nlink > 1) {
    warn(Kind::link, path, cat("has ", status.st_nlink, " names: it can be changed under another"));
  }
}

void Check::check_jobs(const sys::Directory& jobs) {
  const struct stat folder = status_in(jobs, ".");
  if (!is_link(jobs.path(), status_in(folder_, "jobs"))) {
    check_owner(jobs.path(), folder);
    const bool sticky = (folder.st_mode & S_ISVTX) != 0;
    if ((folder.st_mode & S_IWOTH) != 0) {
      warn(Kind::writable, jobs.path(), "is writable for everybody: anybody can have jobs run");
    } else if ((folder.st_mode & S_IWGRP) != 0 && !sticky) {
      warn(
          Kind::writable, jobs.path(),
          "is writable for its group and not sticky: jobs of one member can be replaced by others");
    }
  }
  std::vector<std::string> names;
  jobs.for_each_name([&](const char* name) {
    if (spool::is_job_name(name)) names.emplace_back(name);
  });
  std::ranges::sort(names);
  for (const std::string& name : names) {
    // Gone meanwhile: done.
    if (const auto status = jobs.status(name, sys::Links::keep)) {
      check_file(cat(jobs.path(), "/", name), *status);
    }
  }
}

// DIR/penstock and its quarantine, whose reports quote standard error.
void Check::check_private() {
  const auto found = folder_.status("penstock", sys::Links::keep);
  if (!found) return;
  const std::string path = queue_.private_path();
  if (is_link(path, *found)) return;
  if (!S_ISDIR(found->st_mode)) {
    warn(Kind::special, path, cat("is ", kind_of(found->st_mode)));
    return;
  }
  check_directory(path, *found);
  const auto quarantine = sys::Directory(path).status("quarantine", sys::Links::keep);
  if (!quarantine) return;
  const std::string place = path + "/quarantine";
  if (is_link(place, *quarantine)) return;
  check_directory(place, *quarantine);
  constexpr mode_t kOthersRead = S_IRGRP | S_IROTH | S_IXGRP | S_IXOTH;
  const bool is_open =
      (found->st_mode & kOthersRead) != 0 && (quarantine->st_mode & kOthersRead) != 0;
  if (is_open && (quarantine->st_mode & kOthersWrite) == 0) {
    warn(Kind::readable, place, "is open to others: its reports quote what decoders have said");
  }
}

}  // namespace

const char* warning_name(QueueWarning::Kind kind) {
  switch (kind) {
    case Kind::owner:
      return "owner";
    case Kind::writable:
      return "writable";
    case Kind::readable:
      return "readable";
    case Kind::link:
      return "link";
    case Kind::special:
      return "special";
    case Kind::temporary:
      return "temporary";
  }
  return "";
}

std::vector<QueueWarning> check_queue(const std::string& queue_dir) {
  const auto status = sys::status_of_path(queue_dir);
  if (!status) throw Error::from_errno(cat("there is no queue ", printable(queue_dir)), ENOENT);
  return Check(queue_dir).run();
}

}  // namespace penstock::work
