// A directory by descriptor: names listed, made, linked, removed and made durable.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>

#include "sys/unique_fd.h"

namespace penstock::sys {

// Whether a symbolic link stands for itself or for what it leads to.
enum class Links { follow, keep };

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
  // What a name in here leads to; nothing where there is no such name (or a link that leads
  // nowhere).
  std::optional<struct stat> status(const std::string& name, Links links) const;
  // Whether names may be added and removed by us, as far as mode, owner and mount tell.
  bool is_writable() const;
  // Nothing for a failure; errno tells why.
  std::optional<UniqueFd> try_open(const std::string& name, int flags, mode_t mode = 0666) const;
  // The same for a file that is only looked at: read only, without blocking, and under whatever
  // number is free, which spares three calls a file. Close-on-exec all the same.
  std::optional<UniqueFd> try_look_at(const std::string& name) const;
  // A new file without a name, open for writing, to be given one by link(); nothing where the file
  // system has no such thing or /proc, which link() needs, is not there.
  std::optional<UniqueFd> try_create_unnamed(mode_t mode = 0666) const;
  // Whether a name goes at once here though its file is held: known of local file systems. (NFS,
  // for one, gives it another name then.)
  bool lets_names_go() const;
  // What keeps the file `name` (or the link) from being gone when its name is: its blocks are freed
  // when this is closed. Nothing where there is none.
  std::optional<UniqueFd> try_hold(const std::string& name) const;
  // False if there was no such name.
  bool remove(const std::string& name) const;
  // Gives the open, unnamed (or named elsewhere) file `fd` the name `name`, which must not exist
  // yet.
  void link(int fd, const std::string& name) const;
  // A second name for the file (or the link itself) `from`; fails with EEXIST where `to` is taken.
  void link_name(const std::string& from, const Directory& target, const std::string& to) const;
  // Fails with EEXIST where the name is taken.
  void make_symlink(const std::string& destination, const std::string& name) const;
  // Atomic; replaces what has the new name.
  void rename(const std::string& from, const std::string& to) const;
  // Atomic; fails with EEXIST where the new name is taken. (Where the file system cannot refuse by
  // itself, as on NFS, we look first: not atomic there.)
  void rename_to_free_name(const std::string& from, const Directory& target,
                           const std::string& to) const;

 private:
  std::string path_;
  UniqueFd fd_;
};

// mkdir(2); false if the name is taken, by whatever it is.
bool make_directory(const std::string& path, mode_t mode = 0777);

}  // namespace penstock::sys
