#include "spool/queue.h"

#include <fcntl.h>

#include <cerrno>
#include <cstdio>
#include <ranges>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "spool/new_file.h"
#include "spool/run_record.h"
#include "spool/sequence_file.h"
#include "spool/uuid.h"
#include "sys/beneath.h"
#include "sys/directory.h"
#include "sys/files.h"

namespace penstock::spool {

namespace {

// The directory that holds the last component of `path` ("a/b//" lies in "a").
std::string parent_of(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return slash == 0 ? "/" : std::string(path.substr(0, slash));
}

// Makes what a queue consists of, and takes it away again unless told that all is well.
class Builder {
 public:
  Builder(std::string queue, const Queue::InitOptions& options)
      : queue_(std::move(queue)), options_(options) {}
  Builder(const Builder&) = delete;
  Builder& operator=(const Builder&) = delete;
  ~Builder() {
    for (const std::string& path : std::views::reverse(made_)) {
      std::remove(path.c_str());  // what cannot be removed stays: --repair goes on from there
    }
  }

  void directory(const std::string& path) {
    if (make(path)) {
      made_.push_back(path);
      return;
    }
    if (!options_.repair) {
      throw Error(cat(failed(), "it exists already (--repair adds what is missing)"),
                  std::error_code(EEXIST, std::generic_category()));
    }
    const auto status = sys::status_of_path(path);
    if (!status || !S_ISDIR(status->st_mode)) {
      throw Error::from_errno(cat(failed(), printable(path)), ENOTDIR);
    }
  }

  // `name` in `folder`, holding `text`, unless it is there.
  void file(const sys::Directory& folder, const std::string& name, std::string_view text) {
    if (folder.status(name, sys::Links::keep)) return;
    NewFile file(folder, cat(".penstock-", uuid_v4(), ".tmp"), options_.private_mode ? 0600 : 0666);
    sys::write_all(file.fd(), text, name);
    file.publish(name);
    made_.push_back(cat(folder.path(), "/", name));
  }

  std::vector<std::string> finish() { return std::exchange(made_, {}); }

 private:
  std::string failed() const {
    return cat(options_.repair ? "cannot repair queue " : "cannot create queue ", printable(queue_),
               ": ");
  }
  bool make(const std::string& path) {
    try {
      return sys::make_directory(path, options_.private_mode ? 0700 : 0777);
    } catch (const Error& error) {
      const std::string part = path == queue_ ? "" : cat(printable(path), ": ");
      throw Error(cat(failed(), part, error.code().message()), error.code());
    }
  }

  std::string queue_;
  Queue::InitOptions options_;
  std::vector<std::string> made_;
};

}  // namespace

std::string Queue::job_path(std::string_view name) const {
  return cat(dir_, "/jobs/", name);
}

sys::Directory Queue::jobs_directory() const {
  sys::refuse_planted_link(jobs_path());
  try {
    return sys::Directory(jobs_path());
  } catch (const Error& error) {
    const std::string name = printable(dir_);
    if (!error.is(ENOENT) && !error.is(ENOTDIR)) {
      throw Error(cat("cannot look into queue ", name, ": ", error.message()), error.code());
    }
    const auto status = sys::status_of_path(dir_);
    const std::string no_queue = cat(name, " is not a queue: ");
    if (!status) throw Error::from_errno(cat("there is no queue ", name), ENOENT);
    if (!S_ISDIR(status->st_mode)) throw Error(cat(no_queue, "it is no directory"), error.code());
    if (error.is(ENOENT)) throw Error(cat(no_queue, "it has no jobs directory"), error.code());
    throw Error::from_errno(cat(no_queue, printable(jobs_path())), ENOTDIR);
  }
}

JobDirectory Queue::jobs() const {
  return JobDirectory(jobs_directory());
}

std::optional<SequenceLock> Queue::lock(std::chrono::nanoseconds limit) const {
  return SequenceLock::take(sequence_path(), SequenceLock::Side::queue, limit);
}

void Queue::set_next(const SequenceLock& lock, uint64_t number) {
  clear_run_record(lock.fd());
  sys::sync_data(lock.fd(), "the lock file");
  SequenceFile::open_or_create(lock, number).write(number);
}

std::vector<std::string> Queue::init(const std::string& dir, const InitOptions& options) {
  Builder builder(dir, options);
  builder.directory(dir);
  builder.directory(dir + "/jobs");
  const sys::Directory folder(dir);
  if (!options.append_only) {
    // In this order: where there is a lock, there is a number.
    builder.file(folder, "nextseq", "1\n");
    builder.file(folder, "nextseq.lock", "");
  }
  folder.sync();
  sys::Directory(parent_of(dir)).sync();
  std::vector<std::string> made = builder.finish();
  // What number it should be nobody here can know: said, and left as it is.
  if (options.repair && !options.append_only) {
    static_cast<void>(read_sequence_unlocked(dir + "/nextseq"));
  }
  return made;
}

}  // namespace penstock::spool
