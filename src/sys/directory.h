// A directory by descriptor: names listed, made, linked, removed and made durable.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

#include "sys/unique_fd.h"

namespace penstock::sys {

class Directory {
 public:
  // Throws "open PATH: reason".
  explicit Directory(const std::string& path);

  const std::string& path() const { return path_; }
  int fd() const { return fd_.get(); }

  // Every entry's name except . and .., in the order of the file system.
  void for_each_name(const std::function<void(const char* name)>& visit) const;
  // Makes everything that happened to the names in here durable.
  void sync() const;
  // False if there was no such name.
  bool remove(const std::string& name) const;
  // Gives the open, unnamed (or named elsewhere) file `fd` the name `name`, which must not exist
  // yet.
  void link(int fd, const std::string& name) const;
  // Atomic; replaces what has the new name.
  void rename(const std::string& from, const std::string& to) const;
  // Atomic; fails with EEXIST where the new name is taken.
  void rename_to_free_name(const std::string& from, const Directory& target,
                           const std::string& to) const;

 private:
  std::string path_;
  UniqueFd fd_;
};

}  // namespace penstock::sys
