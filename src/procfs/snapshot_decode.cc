#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "procfs/snapshot_file.h"
#include "procfs/snapshot_names.h"

namespace penstock::procfs {

namespace {

using Json = nlohmann::json;

constexpr size_t kMaxDepth = 16;
constexpr size_t kMaxValues = 4'000'000;

[[noreturn]] void refuse(const std::string& place, std::string_view why) {
  throw Error(cat("snapshot file: ", place, ": ", why));
}

// A value and where it stands, for the message.
class Cursor {
 public:
  Cursor(const Json& json, std::string place) : json_(json), place_(std::move(place)) {}

  const Json& json() const { return json_; }
  [[noreturn]] void fail(std::string_view why) const { refuse(place_, why); }

  Cursor at(const char* name) const {
    if (!json_.is_object()) fail("must be an object");
    const auto found = json_.find(name);
    if (found == json_.end()) refuse(cat(place_, '.', name), "is missing");
    return {*found, cat(place_, '.', name)};
  }
  bool has(const char* name) const {
    if (!json_.is_object()) fail("must be an object");
    return json_.contains(name);
  }
  template <typename Visit>
  void each(Visit visit) const {
    if (!json_.is_array()) fail("must be a list");
    size_t number = 0;
    for (const Json& element : json_) visit(Cursor(element, cat(place_, '[', number++, ']')));
  }

 private:
  const Json& json_;
  std::string place_;
};

unsigned hex_value(char c, const Cursor& from) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10U;
  from.fail("has a digit that is not hexadecimal");
}

void take(const Cursor& from, std::string& into) {
  if (from.json().is_string()) {
    into = from.json().get<std::string>();
    return;
  }
  if (!from.json().is_object()) from.fail("must be text");
  const Cursor inner = from.at("hex");
  if (!inner.json().is_string()) inner.fail("must be text");
  const auto& hex = inner.json().get_ref<const std::string&>();
  if (hex.size() % 2 != 0) inner.fail("has half a byte");
  into.clear();
  for (size_t i = 0; i < hex.size(); i += 2) {
    into += static_cast<char>(hex_value(hex[i], inner) << 4U | hex_value(hex[i + 1], inner));
  }
}

void take(const Cursor& from, bool& into) {
  if (!from.json().is_boolean()) from.fail("must be true or false");
  into = from.json().get<bool>();
}

void take(const Cursor& from, double& into) {
  if (!from.json().is_number()) from.fail("must be a number");
  into = from.json().get<double>();
}

template <std::integral Number>
void take(const Cursor& from, Number& into) {
  const Json& json = from.json();
  if (!json.is_number_integer()) from.fail("must be a whole number");
  const bool fits = json.is_number_unsigned() ? std::in_range<Number>(json.get<uint64_t>())
                                              : std::in_range<Number>(json.get<int64_t>());
  if (!fits) from.fail("is out of range");
  into = json.is_number_unsigned() ? static_cast<Number>(json.get<uint64_t>())
                                   : static_cast<Number>(json.get<int64_t>());
}

// One letter.
void take(const Cursor& from, char& into) {
  std::string text;
  take(from, text);
  if (text.size() != 1) from.fail("must be one letter");
  into = text.front();
}

void take(const Cursor& from, Call& into) {
  std::string name;
  take(from, name);
  const auto call = call_named(name);
  if (!call) from.fail("names no call");
  into = *call;
}

void take(const Cursor& from, FileKind& into) {
  std::string name;
  take(from, name);
  const auto found = std::ranges::find(kKindNames, name);
  if (found == kKindNames.end()) from.fail("names no kind of file");
  into = static_cast<FileKind>(found - kKindNames.begin());
}

template <typename Value>
void take(const Cursor& from, std::optional<Value>& into) {
  take(from, into.emplace());
}

template <typename Value>
void take(const Cursor& from, std::vector<Value>& into) {
  from.each([&](const Cursor& element) { take(element, into.emplace_back()); });
}

// Takes a member that may be left out.
template <typename Value>
void may(const Cursor& from, const char* name, Value& into) {
  if (from.has(name)) take(from.at(name), into);
}

void take(const Cursor& from, EpollEntry& entry) {
  if (!from.json().is_array() || from.json().size() != 2) from.fail("must be [fd, events]");
  std::array<uint64_t, 2> pair{};
  size_t i = 0;
  from.each([&](const Cursor& element) { take(element, pair.at(i++)); });
  if (!std::in_range<int>(pair[0]) || !std::in_range<uint32_t>(pair[1])) {
    from.fail("is out of range");
  }
  entry = {.fd = static_cast<int>(pair[0]), .events = static_cast<uint32_t>(pair[1])};
}

void take(const Cursor& from, SyscallState& state) {
  may(from, "running", state.running);
  if (state.running) return;
  take(from.at("number"), state.number);
  take(from.at("call"), state.call);
  if (!from.has("arguments")) return;
  const Cursor arguments = from.at("arguments");
  if (!arguments.json().is_array() || arguments.json().size() != state.arguments.size()) {
    arguments.fail("must be six numbers");
  }
  size_t i = 0;
  arguments.each([&](const Cursor& element) { take(element, state.arguments.at(i++)); });
}

void take(const Cursor& from, Task& task) {
  take(from.at("tid"), task.tid);
  take(from.at("state"), task.state);
  may(from, "comm", task.comm);
  may(from, "wchan", task.wchan);
  may(from, "syscall", task.syscall);
  may(from, "voluntary_switches", task.voluntary_switches);
  may(from, "involuntary_switches", task.involuntary_switches);
  may(from, "idle_s", task.idle_s);
  may(from, "opening", task.opening);
}

void take(const Cursor& from, Descriptor& descriptor) {
  take(from.at("fd"), descriptor.fd);
  take(from.at("kind"), descriptor.kind);
  may(from, "target", descriptor.target);
  may(from, "inode", descriptor.inode);
  may(from, "reads", descriptor.reads);
  may(from, "writes", descriptor.writes);
  may(from, "flags", descriptor.flags);
  may(from, "position", descriptor.position);
  may(from, "locked", descriptor.locked);
  may(from, "content", descriptor.content);
  may(from, "watched", descriptor.watched);
}

void take(const Cursor& from, IoTotals& io) {
  take(from.at("read_bytes"), io.read_bytes);
  take(from.at("write_bytes"), io.write_bytes);
  take(from.at("read_calls"), io.read_calls);
  take(from.at("write_calls"), io.write_calls);
  take(from.at("disk_read"), io.disk_read);
  take(from.at("disk_written"), io.disk_written);
}

void take(const Cursor& from, Process& process) {
  take(from.at("pid"), process.stat.pid);
  take(from.at("comm"), process.stat.comm);
  take(from.at("state"), process.stat.state);
  take(from.at("parent"), process.stat.parent);
  take(from.at("group"), process.stat.group);
  take(from.at("session"), process.stat.session);
  take(from.at("start_time"), process.stat.start_time);
  may(from, "tty", process.tty);
  may(from, "foreground_group", process.foreground_group);
  may(from, "cpu_ticks", process.cpu_ticks);
  may(from, "is_kernel_thread", process.stat.kernel_thread);
  may(from, "exit_status", process.exit_status);
  may(from, "descriptors", process.descriptors);
  may(from, "looked_at", process.looked_at);
  if (!process.looked_at) return;
  may(from, "arguments", process.arguments);
  may(from, "exe", process.exe);
  may(from, "user", process.user);
  may(from, "tracer", process.tracer);
  may(from, "signals_pending", process.signals_pending);
  may(from, "signals_blocked", process.signals_blocked);
  may(from, "signals_ignored", process.signals_ignored);
  may(from, "signals_caught", process.signals_caught);
  may(from, "io", process.io);
  may(from, "cgroup", process.cgroup);
  may(from, "tasks", process.tasks);
  may(from, "environment_names", process.environment_names);
}

void take(const Cursor& from, PipeFacts& facts) {
  take(from.at("inode"), facts.inode);
  may(from, "capacity", facts.capacity);
  may(from, "queued", facts.queued);
  may(from, "writable", facts.writable);
  may(from, "has_writer", facts.has_writer);
  may(from, "has_reader", facts.has_reader);
  may(from, "owner", facts.owner);
  may(from, "refused", facts.refused);
}

void take(const Cursor& from, FileLock& lock) {
  take(from.at("number"), lock.number);
  take(from.at("waits"), lock.waits);
  take(from.at("kind"), lock.kind);
  take(from.at("exclusive"), lock.exclusive);
  take(from.at("pid"), lock.pid);
  take(from.at("major"), lock.major);
  take(from.at("minor"), lock.minor);
  take(from.at("inode"), lock.inode);
}

void take(const Cursor& from, TcpSocket& socket) {
  take(from.at("inode"), socket.inode);
  take(from.at("local"), socket.local);
  take(from.at("remote"), socket.remote);
  take(from.at("state"), socket.state);
  take(from.at("send_queue"), socket.send_queue);
  take(from.at("receive_queue"), socket.receive_queue);
  take(from.at("timer"), socket.timer);
  take(from.at("retransmits"), socket.retransmits);
  take(from.at("probes"), socket.probes);
}

void take(const Cursor& from, UnixSocket& socket) {
  take(from.at("inode"), socket.inode);
  take(from.at("state"), socket.state);
  take(from.at("path"), socket.path);
}

void take(const Cursor& from, CgroupFacts& facts) {
  take(from.at("frozen"), facts.frozen);
  may(from, "frozen_at", facts.frozen_at);
  may(from, "by_freezer", facts.by_freezer);
  may(from, "throttled_us", facts.throttled_us);
  may(from, "memory_high", facts.memory_high);
}

void take(const Cursor& from, Machine& machine) {
  take(from.at("kernel"), machine.kernel);
  take(from.at("architecture"), machine.architecture);
  take(from.at("page_size"), machine.page_size);
  take(from.at("pipe_max_size"), machine.pipe_max_size);
  may(from, "pipe_user_pages_soft", machine.pipe_user_pages_soft);
  take(from.at("uptime_s"), machine.uptime_s);
  take(from.at("ticks_per_s"), machine.ticks_per_s);
  take(from.at("looker"), machine.looker);
  take(from.at("has_syscall_file"), machine.has_syscall_file);
  take(from.at("ptrace_scope"), machine.ptrace_scope);
  // Divided by.
  if (machine.ticks_per_s < 1 || machine.ticks_per_s > 1'000'000) {
    from.at("ticks_per_s").fail("is out of range");
  }
  if (machine.page_size < 512 || machine.page_size > (1U << 30U)) {
    from.at("page_size").fail("is out of range");
  }
}

// A list of values that are known by a number in them.
template <typename Key, typename Value, typename KeyOf>
void may_list(const Cursor& from, const char* name, std::map<Key, Value>& into, KeyOf key_of) {
  if (!from.has(name)) return;
  from.at(name).each([&](const Cursor& element) {
    Value value;
    take(element, value);
    const Key key = key_of(value);
    if (!into.emplace(key, std::move(value)).second) element.fail("is there twice");
  });
}

Snapshot decode_snapshot(const Cursor& from) {
  Snapshot snapshot;
  take(from.at("taken_s"), snapshot.taken_s);
  take(from.at("machine"), snapshot.machine);
  auto inode_of = [](const auto& value) { return value.inode; };
  may_list(from, "processes", snapshot.processes,
           [](const Process& process) { return process.stat.pid; });
  may_list(from, "pipes", snapshot.pipes, inode_of);
  may(from, "locks", snapshot.locks);
  may_list(from, "tcp", snapshot.tcp, inode_of);
  may_list(from, "unix_sockets", snapshot.unix_sockets, inode_of);
  if (from.has("cgroups")) {
    from.at("cgroups").each([&](const Cursor& element) {
      std::string path;
      take(element.at("path"), path);
      take(element, snapshot.cgroups[path]);
    });
  }
  return snapshot;
}

// Before the parser builds anything: how deep it goes and of how many values it is. A few bytes of
// text may otherwise ask for very much memory.
void check_limits(std::string_view text) {
  if (text.size() > kMaxSnapshotFile) throw Error("snapshot file: it is larger than 64 MiB");
  size_t depth = 0;
  size_t values = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
      continue;
    }
    if (c == '"') quoted = true;
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && depth > 0) --depth;
    if (c == ',' || c == '{' || c == '[') ++values;
    if (depth > kMaxDepth) throw Error(cat("snapshot file: byte ", i, ": it is nested too deep"));
    if (values > kMaxValues) throw Error(cat("snapshot file: byte ", i, ": too many values"));
  }
}

Json parsed(std::string_view text) {
  check_limits(text);
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& e) {
    throw Error(cat("snapshot file: byte ", e.byte, ": this is no JSON"));
  } catch (const Json::exception&) {
    throw Error("snapshot file: it holds a number that is out of range");
  }
}

}  // namespace

std::pair<Snapshot, Snapshot> decode_snapshots(std::string_view text) {
  const Json file = parsed(text);
  const Cursor top(file, "file");
  int version = 0;
  take(top.at("penstock_snapshots"), version);
  if (version != kSnapshotFileVersion) {
    throw Error(cat("snapshot file: it is of version ", version, ", this program knows version ",
                    kSnapshotFileVersion));
  }
  return {decode_snapshot(top.at("before")), decode_snapshot(top.at("after"))};
}

}  // namespace penstock::procfs
