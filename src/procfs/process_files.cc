#include "procfs/process_files.h"

#include <algorithm>
#include <array>

#include "procfs/fields.h"

namespace penstock::procfs {

namespace {

constexpr uint64_t kKernelThread = 0x00200000;  // PF_KTHREAD
constexpr size_t kMaxArguments = 4096;
constexpr size_t kMaxWatched = 65536;

// Up to its field 22; what lies behind stays in `rest`. Fields between are left in `fields`.
std::optional<ProcessStat> take_stat(std::string_view& rest,
                                     std::array<std::string_view, 23>& fields) {
  const size_t open = rest.find('(');
  const size_t close = rest.rfind(')');  // the name itself may contain brackets
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
    return std::nullopt;
  }
  std::string_view before = rest.substr(0, open);
  const auto pid = take_number<pid_t>(before);
  if (!pid) return std::nullopt;
  const std::string_view comm = rest.substr(open + 1, close - open - 1);
  rest.remove_prefix(close + 1);
  for (size_t field = 3; field <= 22; ++field) fields.at(field) = take_word(rest);
  const auto parent = to_number<pid_t>(fields[4]);
  const auto group = to_number<pid_t>(fields[5]);
  const auto session = to_number<pid_t>(fields[6]);
  const auto start = to_number<uint64_t>(fields[22]);
  const auto flags = to_number<uint64_t>(fields[9]);
  if (fields[3].size() != 1 || !parent || !group || !session || !flags || !start) {
    return std::nullopt;
  }
  return ProcessStat{.pid = *pid,
                     .comm = std::string(comm),
                     .state = fields[3].front(),
                     .parent = *parent,
                     .group = *group,
                     .session = *session,
                     .start_time = *start,
                     .kernel_thread = (*flags & kKernelThread) != 0};
}

// The kernel writes a newline and a backslash of a name as \n and \\.
std::string unescaped(std::string_view name) {
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    const bool pair = name[i] == '\\' && i + 1 < name.size();
    if (pair && name[i + 1] == 'n') {
      out += '\n';
      ++i;
    } else if (pair && name[i + 1] == '\\') {
      out += '\\';
      ++i;
    } else {
      out += name[i];
    }
  }
  return out;
}

void read_status_line(std::string_view key, std::string_view value, StatusFile& status) {
  auto mask = [&] { return take_number<uint64_t>(value, 16).value_or(0); };
  if (key == "Name") {
    if (value.starts_with('\t')) value.remove_prefix(1);
    status.comm = unescaped(value);
  } else if (key == "State") {
    const std::string_view word = take_word(value);
    if (word.size() == 1) status.state = word.front();
  } else if (key == "Threads") {
    status.threads = take_number<int>(value).value_or(1);
  } else if (key == "Uid") {
    take_word(value);  // the real one
    status.user = take_number<uid_t>(value);
  } else if (key == "TracerPid") {
    status.tracer = take_number<pid_t>(value).value_or(0);
  } else if (key == "SigPnd" || key == "ShdPnd") {
    status.pending |= mask();
  } else if (key == "SigBlk") {
    status.blocked = mask();
  } else if (key == "SigIgn") {
    status.ignored = mask();
  } else if (key == "SigCgt") {
    status.caught = mask();
  } else if (key == "voluntary_ctxt_switches") {
    status.voluntary_switches = take_number<uint64_t>(value);
  } else if (key == "nonvoluntary_ctxt_switches") {
    status.involuntary_switches = take_number<uint64_t>(value);
  }
}

// "tfd:        5 events:       19 data: …"
void read_watched(std::string_view line, FdInfo& info) {
  const auto fd = take_number<int>(line);
  if (!fd || take_word(line) != "events:") return;
  const auto events = take_number<uint32_t>(line, 16);
  if (events && info.watched.size() < kMaxWatched) {
    info.watched.push_back({.fd = *fd, .events = *events});
  }
}

std::optional<ino_t> bracketed(std::string_view target, std::string_view prefix) {
  if (!target.starts_with(prefix) || !target.ends_with(']')) return std::nullopt;
  target.remove_prefix(prefix.size());
  target.remove_suffix(1);
  return to_number<ino_t>(target);
}

}  // namespace

std::optional<ProcessStat> parse_stat(std::string_view line) {
  std::array<std::string_view, 23> fields;
  return take_stat(line, fields);
}

std::optional<StatLine> parse_stat_line(std::string_view text) {
  std::array<std::string_view, 23> fields;
  auto stat = take_stat(text, fields);
  if (!stat) return std::nullopt;
  StatLine line{.stat = std::move(*stat)};
  line.tty = to_number<int>(fields[7]).value_or(0);
  line.foreground_group = to_number<pid_t>(fields[8]).value_or(-1);
  line.cpu_ticks =
      to_number<uint64_t>(fields[14]).value_or(0) + to_number<uint64_t>(fields[15]).value_or(0);
  line.threads = to_number<int>(fields[20]).value_or(1);
  std::string_view last;
  for (size_t field = 23; field <= 52; ++field) {
    last = take_word(text);
    if (field == 39) line.processor = to_number<int>(last).value_or(-1);
  }
  line.exit_code = to_number<int>(last).value_or(0);
  return line;
}

StatusFile parse_status(std::string_view text) {
  StatusFile status;
  for (std::string_view line; take_line(text, line);) {
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    read_status_line(line.substr(0, colon), line.substr(colon + 1), status);
  }
  return status;
}

std::optional<IoTotals> parse_io(std::string_view text) {
  const auto read = number_after(text, "rchar:");
  const auto written = number_after(text, "wchar:");
  if (!read || !written) return std::nullopt;
  return IoTotals{.read_bytes = *read,
                  .write_bytes = *written,
                  .read_calls = number_after(text, "syscr:").value_or(0),
                  .write_calls = number_after(text, "syscw:").value_or(0),
                  .disk_read = number_after(text, "read_bytes:").value_or(0),
                  .disk_written = number_after(text, "write_bytes:").value_or(0)};
}

std::optional<std::string> parse_wchan(std::string_view text) {
  const std::string_view word = take_word(text);
  if (word.empty() || word == "0" || word.size() > 256) return std::nullopt;
  return std::string(word);
}

std::optional<double> parse_exec_start(std::string_view text) {
  for (std::string_view line; take_line(text, line);) {
    if (!line.starts_with("se.exec_start")) continue;
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    line.remove_prefix(colon + 1);
    return to_seconds(take_word(line));
  }
  return std::nullopt;
}

std::vector<std::string> parse_arguments(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty() && words.size() < kMaxArguments) {
    const size_t end = text.find('\0');
    words.emplace_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return words;
}

std::vector<std::string> parse_environment(std::string_view text,
                                           const std::vector<std::string_view>& wanted) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const size_t end = text.find('\0');
    const std::string_view entry = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    const size_t equals = entry.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = entry.substr(0, equals);
    if (std::ranges::find(wanted, name) == wanted.end()) continue;
    if (std::ranges::find(names, name) == names.end()) names.emplace_back(name);
  }
  return names;
}

FdInfo parse_fdinfo(std::string_view text) {
  FdInfo info;
  for (std::string_view line; take_line(text, line);) {
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view key = line.substr(0, colon);
    std::string_view value = line.substr(colon + 1);
    if (key == "pos") {
      info.position = take_number<uint64_t>(value);
    } else if (key == "flags") {
      info.flags = take_number<uint32_t>(value, 8);
    } else if (key == "mnt_id") {
      info.mount = take_number<int>(value);
    } else if (key == "lock") {
      info.locked = true;
    } else if (key == "tfd") {
      read_watched(value, info);
    }
  }
  return info;
}

FdLink parse_fd_link(std::string_view target) {
  if (const auto pipe = bracketed(target, "pipe:[")) return {FileKind::pipe, *pipe};
  if (const auto socket = bracketed(target, "socket:[")) return {FileKind::socket, *socket};
  if (target == "anon_inode:[eventpoll]") return {FileKind::epoll};
  if (!target.starts_with('/')) return {FileKind::other};
  if (target.starts_with("/memfd:")) return {FileKind::memfd};
  const bool tty = target.starts_with("/dev/tty") || target.starts_with("/dev/pts/") ||
                   target.starts_with("/dev/console");
  return {tty ? FileKind::tty : FileKind::path};
}

bool is_gate_memfd(std::string_view target) {
  return target.starts_with("/memfd:penstock-gate:");
}

}  // namespace penstock::procfs
