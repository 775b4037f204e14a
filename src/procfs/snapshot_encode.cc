#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "procfs/snapshot_file.h"
#include "procfs/snapshot_names.h"

namespace penstock::procfs {

namespace {

using Json = nlohmann::json;

// Names may be any bytes, JSON may not.
Json text_of(std::string_view raw) {
  if (is_utf8(raw)) return raw;
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (const char c : raw) {
    const auto byte = static_cast<unsigned char>(c);
    hex += kDigits[byte >> 4U];
    hex += kDigits[byte & 15U];
  }
  return {{"hex", hex}};
}

// What is not told, and what is as it mostly is, is left out: absent is the default.
template <typename Value>
void put(Json& object, const char* name, const Value& value, const Value& usual = Value()) {
  if (value != usual) object[name] = value;
}

void put(Json& object, const char* name, const std::string& value) {
  if (!value.empty()) object[name] = text_of(value);
}

template <typename Value>
void put(Json& object, const char* name, const std::optional<Value>& value) {
  if (value) object[name] = *value;
}

void put(Json& object, const char* name, const std::optional<std::string>& value) {
  if (value) object[name] = text_of(*value);
}

void put(Json& object, const char* name, const std::vector<std::string>& words) {
  if (words.empty()) return;
  Json& list = object[name] = Json::array();
  for (const std::string& word : words) list.push_back(text_of(word));
}

Json encode(const SyscallState& state) {
  if (state.running) return {{"running", true}};
  Json object = {{"number", state.number}, {"call", name_of(state.call)}};
  if (state.number >= 0) object["arguments"] = state.arguments;
  return object;
}

Json encode(const Task& task) {
  Json object = {{"tid", task.tid}, {"state", text_of(std::string(1, task.state))}};
  put(object, "comm", task.comm);
  put(object, "wchan", task.wchan);
  if (task.syscall) object["syscall"] = encode(*task.syscall);
  put(object, "voluntary_switches", task.voluntary_switches);
  put(object, "involuntary_switches", task.involuntary_switches);
  put(object, "idle_s", task.idle_s);
  put(object, "opening", task.opening);
  return object;
}

Json encode(const Descriptor& descriptor) {
  Json object = {{"fd", descriptor.fd},
                 {"kind", kKindNames.at(static_cast<size_t>(descriptor.kind))}};
  put(object, "target", descriptor.target);
  put(object, "inode", descriptor.inode);
  put(object, "reads", descriptor.reads);
  put(object, "writes", descriptor.writes);
  put(object, "flags", descriptor.flags);
  put(object, "position", descriptor.position);
  put(object, "locked", descriptor.locked);
  put(object, "content", descriptor.content);
  for (const EpollEntry& entry : descriptor.watched) {
    object["watched"].push_back({entry.fd, entry.events});
  }
  return object;
}

Json encode(const IoTotals& io) {
  return {{"read_bytes", io.read_bytes}, {"write_bytes", io.write_bytes},
          {"read_calls", io.read_calls}, {"write_calls", io.write_calls},
          {"disk_read", io.disk_read},   {"disk_written", io.disk_written}};
}

Json encode(const ProcessStat& stat) {
  return {{"pid", stat.pid},
          {"comm", text_of(stat.comm)},
          {"state", text_of(std::string(1, stat.state))},
          {"parent", stat.parent},
          {"group", stat.group},
          {"session", stat.session},
          {"start_time", stat.start_time}};
}

std::vector<std::string> redacted(const std::vector<std::string>& words) {
  if (words.empty()) return {};
  return {std::string(base_name(words.front()))};
}

Json encode(const Process& process, Arguments arguments) {
  Json object = encode(process.stat);
  put(object, "tty", process.tty);
  put(object, "foreground_group", process.foreground_group, -1);
  put(object, "cpu_ticks", process.cpu_ticks);
  put(object, "is_kernel_thread", process.stat.kernel_thread);
  put(object, "exit_status", process.exit_status);
  if (process.descriptors) {
    Json& list = object["descriptors"] = Json::array();
    for (const Descriptor& descriptor : *process.descriptors) list.push_back(encode(descriptor));
  }
  if (!process.looked_at) return object;
  object["looked_at"] = true;
  if (process.arguments) {
    Json& list = object["arguments"] = Json::array();
    const bool redact = arguments == Arguments::redact;
    for (const std::string& word : redact ? redacted(*process.arguments) : *process.arguments) {
      list.push_back(text_of(word));
    }
  }
  put(object, "exe", process.exe);
  put(object, "user", process.user);
  put(object, "tracer", process.tracer);
  put(object, "signals_pending", process.signals_pending);
  put(object, "signals_blocked", process.signals_blocked);
  put(object, "signals_ignored", process.signals_ignored);
  put(object, "signals_caught", process.signals_caught);
  if (process.io) object["io"] = encode(*process.io);
  put(object, "cgroup", process.cgroup);
  for (const Task& task : process.tasks) object["tasks"].push_back(encode(task));
  put(object, "environment_names", process.environment_names);
  return object;
}

Json encode(const PipeFacts& facts) {
  Json object = {{"inode", facts.inode}};
  put(object, "capacity", facts.capacity);
  put(object, "queued", facts.queued);
  put(object, "writable", facts.writable);
  put(object, "has_writer", facts.has_writer);
  put(object, "has_reader", facts.has_reader);
  put(object, "owner", facts.owner);
  put(object, "refused", facts.refused);
  return object;
}

Json encode(const FileLock& lock) {
  return {{"number", lock.number},       {"waits", lock.waits}, {"kind", text_of(lock.kind)},
          {"exclusive", lock.exclusive}, {"pid", lock.pid},     {"major", lock.major},
          {"minor", lock.minor},         {"inode", lock.inode}};
}

Json encode(const TcpSocket& socket) {
  return {{"inode", socket.inode},
          {"local", text_of(socket.local)},
          {"remote", text_of(socket.remote)},
          {"state", socket.state},
          {"send_queue", socket.send_queue},
          {"receive_queue", socket.receive_queue},
          {"timer", socket.timer},
          {"retransmits", socket.retransmits},
          {"probes", socket.probes}};
}

Json encode(const UnixSocket& socket) {
  return {{"inode", socket.inode}, {"state", socket.state}, {"path", text_of(socket.path)}};
}

Json encode(const std::string& path, const CgroupFacts& facts) {
  Json object = {{"path", text_of(path)}, {"frozen", facts.frozen}};
  put(object, "frozen_at", facts.frozen_at);
  put(object, "by_freezer", facts.by_freezer);
  put(object, "throttled_us", facts.throttled_us);
  put(object, "memory_high", facts.memory_high);
  return object;
}

Json encode(const Machine& machine) {
  Json object = {{"kernel", text_of(machine.kernel)},
                 {"architecture", text_of(machine.architecture)},
                 {"page_size", machine.page_size},
                 {"pipe_max_size", machine.pipe_max_size},
                 {"uptime_s", machine.uptime_s},
                 {"ticks_per_s", machine.ticks_per_s},
                 {"looker", machine.looker},
                 {"has_syscall_file", machine.has_syscall_file},
                 {"ptrace_scope", machine.ptrace_scope}};
  put(object, "pipe_user_pages_soft", machine.pipe_user_pages_soft);
  return object;
}

Json encode(const Snapshot& snapshot, Arguments arguments) {
  Json object = {{"taken_s", snapshot.taken_s}, {"machine", encode(snapshot.machine)}};
  for (const auto& [pid, process] : snapshot.processes) {
    object["processes"].push_back(encode(process, arguments));
  }
  for (const auto& [inode, facts] : snapshot.pipes) object["pipes"].push_back(encode(facts));
  for (const FileLock& lock : snapshot.locks) object["locks"].push_back(encode(lock));
  for (const auto& [inode, socket] : snapshot.tcp) object["tcp"].push_back(encode(socket));
  for (const auto& [inode, socket] : snapshot.unix_sockets) {
    object["unix_sockets"].push_back(encode(socket));
  }
  for (const auto& [path, facts] : snapshot.cgroups) {
    object["cgroups"].push_back(encode(path, facts));
  }
  return object;
}

}  // namespace

std::string encode_snapshots(const Snapshot& before, const Snapshot& after, Arguments arguments) {
  const Json file = {{"penstock_snapshots", kSnapshotFileVersion},
                     {"before", encode(before, arguments)},
                     {"after", encode(after, arguments)}};
  std::string text = file.dump(1) + '\n';
  if (text.size() > kMaxSnapshotFile) throw Error("snapshot file: it would be larger than 64 MiB");
  return text;
}

}  // namespace penstock::procfs
