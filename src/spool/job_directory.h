// jobs/ of a queue: listing, opening and removing job files by name. Whatever else lies there, or
// is put there while we look, stops at most its own name.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/time.h"
#include "spool/file_identity.h"
#include "sys/directory.h"
#include "sys/unique_fd.h"

namespace penstock::spool {

// "fspl-*.fspl", ten bytes at least, whatever they are.
bool is_job_name(std::string_view name);
// "tmp-*.fspl.tmp": a job that is being written. fspl's queue-write leaves it when it is killed,
// and so does ours on a file system without unnamed files.
bool is_temporary_name(std::string_view name);

struct JobFile {
  // At the file's start, read only. O_NONBLOCK, which means nothing for a regular file, is still
  // set: sys::set_blocking() before a command can see it.
  sys::UniqueFd fd;
  FileIdentity id;
  Timestamp changed;  // ctime: no earlier than the file's arrival, whatever its mtime claims
};

// Why a name gave no file.
struct NoJobFile {
  enum class Why {
    vanished,    // no such name any more: nothing to tell anybody
    not_a_file,  // FIFO, directory, socket, device
    unreadable,  // permission, dangling or looping link, I/O
  };
  Why why = Why::vanished;
  std::string reason;  // "is a FIFO", "Permission denied"; empty for vanished
};

class JobDirectory {
 public:
  // Throws "open PATH: reason".
  explicit JobDirectory(const std::string& path) : directory_(path) {}
  explicit JobDirectory(sys::Directory directory) : directory_(std::move(directory)) {}

  const sys::Directory& directory() const { return directory_; }

  // In the order of the file system.
  struct Names {
    std::vector<std::string> jobs;
    std::vector<std::string> temporaries;
  };
  Names list() const;
  // Follows links; never blocks, whatever the name leads to (D23).
  std::variant<JobFile, NoJobFile> open(const std::string& name) const;

  // What can be told without opening it: nothing for anything but a regular file under this very
  // name. A link's end is not looked at.
  struct Seen {
    FileIdentity id;
    Timestamp changed;  // ctime
  };
  std::optional<Seen> look_at(const std::string& name) const;

  enum class Removal {
    removed,
    vanished,  // it was gone already
    changed,   // the name leads to another file, or that one was written to: left where it is
  };
  // Removes `name` if it still is the file `id`. Durable only after sync().
  Removal remove(const std::string& name, const FileIdentity& id) const;
  // Makes removals (and everything else that happened to names here) durable.
  void sync() const { directory_.sync(); }
  // Throws the Error that removing would run into, as far as one can know: to be called before a
  // command runs (D12). `name` matters in a sticky directory only.
  void check_removable(const std::string& name) const;

 private:
  sys::Directory directory_;
};

}  // namespace penstock::spool
