#include "procfs/process_table.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>

#include "base/error.h"
#include "base/text.h"
#include "procfs/fields.h"
#include "procfs/process_files.h"
#include "sys/files.h"

namespace penstock::procfs {

namespace {

using DirStream = std::unique_ptr<DIR, int (*)(DIR*)>;

void throw_if_short(const std::string& path) {
  if (sys::is_shortage(errno)) throw Error::from_errno(cat("open ", path));
}

// Null if it is gone or may not be read.
DirStream open_dir(const std::string& path) {
  DirStream dir(opendir(path.c_str()), closedir);
  if (!dir) throw_if_short(path);
  return dir;
}

std::optional<std::string> read_text(const std::string& path, size_t limit) {
  auto fd = sys::try_open(path, O_RDONLY);
  if (!fd) {
    throw_if_short(path);
    return std::nullopt;
  }
  try {
    return sys::read_small_file(fd->get(), limit, path);
  } catch (const Error& error) {
    if (error.is(ENOMEM)) throw;
    return std::nullopt;  // ESRCH: it went between open and read, which is news and no error
  }
}

}  // namespace

std::optional<ProcessStat> read_stat(pid_t pid) {
  const auto text = read_text(cat("/proc/", pid, "/stat"), 1024);
  if (!text) return std::nullopt;
  return parse_stat(*text);
}

std::vector<ProcessStat> read_all_stats() {
  std::vector<ProcessStat> all;
  const DirStream dir = open_dir("/proc");
  if (!dir) return all;
  while (const dirent* entry = readdir(dir.get())) {
    const auto pid = to_number<pid_t>(static_cast<const char*>(entry->d_name));
    if (!pid) continue;
    if (auto stat = read_stat(*pid)) all.push_back(std::move(*stat));
  }
  return all;
}

std::optional<std::vector<PipeEnd>> read_pipe_ends(pid_t pid) {
  const DirStream dir = open_dir(cat("/proc/", pid, "/fd"));
  if (!dir) return std::nullopt;
  std::vector<PipeEnd> ends;
  while (const dirent* entry = readdir(dir.get())) {
    const auto fd = to_number<int>(static_cast<const char*>(entry->d_name));
    if (!fd) continue;
    std::array<char, 64> target{};
    const ssize_t length = readlinkat(dirfd(dir.get()), static_cast<const char*>(entry->d_name),
                                      target.data(), target.size());
    // The directory may be open to us and what it lists not (a process with more rights than ours).
    if (length < 0 && errno == EACCES) return std::nullopt;
    if (length < 0) continue;
    const FdLink link = parse_fd_link({target.data(), static_cast<size_t>(length)});
    if (link.kind != FileKind::pipe) continue;
    // The link's own mode tells the direction: r for reading, w for writing.
    struct stat status {};
    if (fstatat(dirfd(dir.get()), static_cast<const char*>(entry->d_name), &status,
                AT_SYMLINK_NOFOLLOW) != 0) {
      continue;
    }
    ends.push_back({.fd = *fd,
                    .inode = link.inode,
                    .reads = (status.st_mode & S_IRUSR) != 0,
                    .writes = (status.st_mode & S_IWUSR) != 0});
  }
  return ends;
}

std::optional<uid_t> read_owner(pid_t pid) {
  // Not the owner of /proc/PID: that is root for a process that may not be dumped.
  const auto text = read_text(cat("/proc/", pid, "/status"), 4096);
  if (!text) return std::nullopt;
  return parse_status(*text).user;
}

sys::UniqueFd open_io(pid_t pid) {
  auto file = sys::try_open(cat("/proc/", pid, "/io"), O_RDONLY);
  return file ? std::move(*file) : sys::UniqueFd();
}

std::optional<IoCounters> read_io(pid_t pid) {
  return read_io(open_io(pid));
}

std::optional<IoCounters> read_io(const sys::UniqueFd& file) {
  std::array<char, 1024> text{};
  if (!file) return std::nullopt;
  const ssize_t size = ::pread(file.get(), text.data(), text.size(), 0);
  if (size <= 0) return std::nullopt;
  const auto io = parse_io({text.data(), static_cast<size_t>(size)});
  if (!io) return std::nullopt;
  return IoCounters{.read = io->read_bytes, .written = io->write_bytes};
}

}  // namespace penstock::procfs
