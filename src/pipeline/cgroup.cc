#include "pipeline/cgroup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "base/text.h"
#include "sys/files.h"

namespace penstock::pipeline {

namespace {

std::string read_text(const std::string& path, size_t limit) {
  const sys::UniqueFd fd = sys::open_file(path, O_RDONLY);
  return sys::read_small_file(fd.get(), limit, path);
}

// Calls `visit` with each line of `text`, without its newline.
template <typename Visit>
void for_each_line(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    visit(text.substr(0, end));
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

// The n-th blank-separated word of `line`, from 0.
std::string_view word_of(std::string_view line, size_t n) {
  for (; n > 0; --n) {
    const size_t blank = line.find(' ');
    if (blank == std::string_view::npos) return {};
    line.remove_prefix(blank + 1);
  }
  return line.substr(0, line.find(' '));
}

// Where the version 2 hierarchy is mounted: "… - cgroup2 …" in mountinfo, whose fifth word is the
// mount point.
std::string mount_point() {
  std::string found;
  for_each_line(read_text("/proc/self/mountinfo", 1U << 20U), [&](std::string_view line) {
    if (found.empty() && line.find(" - cgroup2 ") != std::string_view::npos) {
      found = word_of(line, 4);
    }
  });
  if (found.empty()) throw Error("there is no cgroup (version 2) hierarchy here");
  return found;
}

// Our own place in it: the line "0::/PATH".
std::string own_path() {
  std::string found = "/";
  for_each_line(read_text("/proc/self/cgroup", 1U << 16U), [&](std::string_view line) {
    if (line.starts_with("0::")) found = line.substr(3);
  });
  return found == "/" ? "" : found;
}

}  // namespace

Cgroup::Cgroup(const std::string& name) : path_(cat(mount_point(), own_path(), "/", name)) {
  if (::mkdir(path_.c_str(), 0755) != 0) throw Error::from_errno(cat("make cgroup ", path_));
  try {
    procs_ = sys::open_file(path_ + "/cgroup.procs", O_WRONLY);
  } catch (...) {
    ::rmdir(path_.c_str());
    throw;
  }
}

Cgroup::~Cgroup() {
  procs_.reset();
  ::rmdir(path_.c_str());  // EBUSY while somebody is left in it (a daemon): it stays, and the
                           // manual says so
}

std::set<pid_t> processes_in_cgroup(const std::string& path) {
  std::set<pid_t> pids;
  const auto fd = sys::try_open(path + "/cgroup.procs", O_RDONLY);
  if (!fd) {
    if (sys::is_shortage(errno)) throw Error::from_errno(cat("look at ", path));
    return pids;
  }
  const std::string text = sys::read_small_file(fd->get(), 1U << 20U, path);
  for_each_line(text, [&](std::string_view line) {
    if (const auto pid = parse_u64(line)) pids.insert(static_cast<pid_t>(*pid));
  });
  return pids;
}

}  // namespace penstock::pipeline
