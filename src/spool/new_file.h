// A file that nobody can see until it is complete and on disk.
#pragma once

#include <sys/types.h>

#include <string>

#include "sys/directory.h"
#include "sys/unique_fd.h"

namespace penstock::spool {

// Unnamed (O_TMPFILE) where the file system can do that, so that not even kill -9 leaves anything;
// else under a temporary name, which the destructor removes.
class NewFile {
 public:
  // `temporary` is the name to use where there must be one. `directory` must outlive this object.
  // Throws Error if nothing can be created there.
  NewFile(const sys::Directory& directory, std::string temporary, mode_t mode = 0666);
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  ~NewFile();

  // To write to.
  int fd() const { return fd_.get(); }
  // First the bytes, then the name, then the directory: once this returns, the file `name` survives
  // a power cut. If it throws, there is no such file, or not by us (EEXIST: never replaced).
  void publish(const std::string& name);

 private:
  const sys::Directory& directory_;
  sys::UniqueFd fd_;
  std::string temporary_;  // empty for an unnamed file
};

}  // namespace penstock::spool
