// Which file it was: what tells a job file from another one of the same name.
#pragma once

#include <sys/stat.h>

#include <cstdint>

#include "base/time.h"

namespace penstock::spool {

struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size = 0;
  Timestamp modified;

  static FileIdentity of(const struct stat& status);
  bool same_file(const FileIdentity& other) const {
    return device == other.device && inode == other.inode;
  }
  bool operator==(const FileIdentity&) const = default;
};

}  // namespace penstock::spool
