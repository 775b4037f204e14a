#include "procfs/process_table.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <memory>

#include "base/error.h"
#include "base/text.h"
#include "sys/files.h"

namespace penstock::procfs {

namespace {

using DirStream = std::unique_ptr<DIR, int (*)(DIR*)>;

DirStream open_dir(const std::string& path) {
  return {opendir(path.c_str()), closedir};
}

std::optional<std::string> read_text(const std::string& path, size_t limit) {
  auto fd = sys::try_open(path, O_RDONLY);
  if (!fd) return std::nullopt;
  try {
    return sys::read_small_file(fd->get(), limit, path);
  } catch (const Error&) {
    return std::nullopt;  // ESRCH: it went between open and read, which is news and no error
  }
}

template <typename Number>
std::optional<Number> to_number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The number behind "KEY" at the start of a line of `text`.
std::optional<uint64_t> number_after(std::string_view text, std::string_view key, int base = 10) {
  for (size_t at = 0; at < text.size();) {
    size_t end = text.find('\n', at);
    if (end == std::string_view::npos) end = text.size();
    std::string_view line = text.substr(at, end - at);
    at = end + 1;
    if (!line.starts_with(key)) continue;
    line.remove_prefix(key.size());
    line = trim(line);
    uint64_t value = 0;
    const auto parsed = std::from_chars(line.data(), line.data() + line.size(), value, base);
    if (parsed.ec == std::errc()) return value;
  }
  return std::nullopt;
}

}  // namespace

std::optional<ProcessStat> parse_stat(std::string_view line) {
  const size_t open = line.find('(');
  const size_t close = line.rfind(')');  // the name itself may contain brackets
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
    return std::nullopt;
  }
  ProcessStat stat;
  const auto pid = to_number<pid_t>(trim(line.substr(0, open)));
  if (!pid) return std::nullopt;
  stat.pid = *pid;
  stat.comm = line.substr(open + 1, close - open - 1);

  // Fields 3 (state) to 22 (start time), blank-separated.
  std::string_view rest = line.substr(close + 1);
  std::array<std::string_view, 23> fields;
  for (size_t field = 3; field <= 22; ++field) {
    while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
    const size_t end = rest.find_first_of(" \n");
    fields.at(field) = rest.substr(0, end);
    if (fields.at(field).empty()) return std::nullopt;
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end);
  }
  const auto parent = to_number<pid_t>(fields[4]);
  const auto group = to_number<pid_t>(fields[5]);
  const auto session = to_number<pid_t>(fields[6]);
  const auto start = to_number<uint64_t>(fields[22]);
  if (fields[3].size() != 1 || !parent || !group || !session || !start) return std::nullopt;
  stat.state = fields[3].front();
  stat.parent = *parent;
  stat.group = *group;
  stat.session = *session;
  stat.start_time = *start;
  return stat;
}

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
    if (length < 0) continue;
    std::string_view link(target.data(), static_cast<size_t>(length));
    if (!link.starts_with("pipe:[") || !link.ends_with(']')) continue;
    link.remove_prefix(6);
    link.remove_suffix(1);
    const auto inode = to_number<ino_t>(link);
    if (!inode) continue;
    // The link's own mode tells the direction: r for reading, w for writing.
    struct stat status {};
    if (fstatat(dirfd(dir.get()), static_cast<const char*>(entry->d_name), &status,
                AT_SYMLINK_NOFOLLOW) != 0) {
      continue;
    }
    ends.push_back({.fd = *fd,
                    .inode = *inode,
                    .reads = (status.st_mode & S_IRUSR) != 0,
                    .writes = (status.st_mode & S_IWUSR) != 0});
  }
  return ends;
}

std::optional<uid_t> read_owner(pid_t pid) {
  // Not the owner of /proc/PID: that is root for a process that may not be dumped.
  const auto text = read_text(cat("/proc/", pid, "/status"), 4096);
  if (!text) return std::nullopt;
  const size_t at = text->find("\nUid:\t");
  if (at == std::string::npos) return std::nullopt;
  std::string_view line = std::string_view(*text).substr(at + 6);
  line = line.substr(0, line.find('\n'));
  const size_t tab = line.find('\t');  // real, effective, saved, file system
  if (tab == std::string_view::npos) return std::nullopt;
  line = line.substr(tab + 1);
  return to_number<uid_t>(line.substr(0, line.find('\t')));
}

std::optional<IoCounters> read_io(pid_t pid) {
  const auto text = read_text(cat("/proc/", pid, "/io"), 1024);
  if (!text) return std::nullopt;
  const auto read = number_after(*text, "rchar:");
  const auto written = number_after(*text, "wchar:");
  if (!read || !written) return std::nullopt;
  return IoCounters{.read = *read, .written = *written};
}

}  // namespace penstock::procfs
