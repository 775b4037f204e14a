// The lock of a sequence file, the sender's or a queue's.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "sys/unique_fd.h"

namespace penstock::spool {

// FILE.lock beside FILE as it was named (a symbolic link FILE is not resolved first), locked with
// flock(2): the place and the way of fspl. The lock is gone when the last duplicate of fd() is
// closed, in whichever process; nothing unlocks it before.
class SequenceLock {
 public:
  enum class Side {
    sender,  // makes the lock file when it is missing
    queue,   // does not: a queue without one is append-only, and that is an Error
  };

  // Nothing if somebody else still has the lock when `limit` is over (zero: tried once).
  // describe_holder() in run_record.h has the words for it. Throws Error if the lock file cannot be
  // opened. `limit` is waited for in short sleeps; a loop that has other things to do passes zero.
  static std::optional<SequenceLock> take(const std::string& file, Side side,
                                          std::chrono::nanoseconds limit = {});

  const std::string& file() const { return file_; }
  Side side() const { return side_; }
  // For a keeper, which holds a duplicate, and for the run record, which is written here.
  int fd() const { return fd_.get(); }

  // FILE.lock
  static std::string path_of(const std::string& file) { return file + ".lock"; }

 private:
  SequenceLock(std::string file, Side side, sys::UniqueFd fd)
      : file_(std::move(file)), side_(side), fd_(std::move(fd)) {}

  std::string file_;
  Side side_;
  sys::UniqueFd fd_;
};

}  // namespace penstock::spool
