#include "procfs/surroundings.h"

#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <set>

#include "base/text.h"
#include "procfs/fields.h"
#include "procfs/system_files.h"

namespace penstock::procfs {

namespace {

constexpr size_t kMaxTable = 64 << 20;
constexpr size_t kMaxCgroupPath = 4096;

std::optional<uint64_t> read_number(Reader& reader, int directory, const char* name) {
  auto text = reader.read(directory, name);
  if (!text) return std::nullopt;
  return take_number<uint64_t>(*text);
}

// The cgroup file systems, of either version, as they are usually mounted.
class CgroupReader {
 public:
  CgroupReader(Reader& reader, const std::string& mount)
      : reader_(reader), root_(Reader::place(AT_FDCWD, mount.c_str())) {
    if (!root_) return;
    const bool unified = reader.read(root_.get(), "cgroup.controllers").has_value();
    unified_ = unified ? "." : "unified";
    if (!unified) freezer_ = "freezer";
  }

  CgroupFacts read(const std::string& path) {
    CgroupFacts facts;
    // A group outside of our namespace begins with "/..", which would lead out of the mount.
    if (!root_ || path.size() > kMaxCgroupPath ||
        cat(path, '/').find("/../") != std::string::npos) {
      return facts;
    }
    const std::string here = cat(unified_, path == "/" ? "" : path);
    facts.frozen = keyed(here, "/cgroup.events", "frozen") == 1;
    facts.throttled_us = keyed(here, "/cpu.stat", "throttled_usec");
    facts.memory_high = keyed(here, "/memory.events", "high");
    if (facts.frozen) facts.frozen_at = nearest(unified_, path, "/cgroup.freeze");
    if (facts.frozen || freezer_.empty() || path == "/") return facts;
    const auto state = text(cat(freezer_, path, "/freezer.state"));
    facts.frozen = state.starts_with("FROZEN") || state.starts_with("FREEZING");
    facts.by_freezer = facts.frozen;
    if (facts.frozen) facts.frozen_at = nearest(freezer_, path, "/freezer.self_freezing");
    return facts;
  }

 private:
  std::string_view text(const std::string& name) {
    return reader_.read(root_.get(), name.c_str()).value_or(std::string_view());
  }
  std::optional<uint64_t> keyed(const std::string& group, std::string_view file,
                                std::string_view key) {
    return parse_keyed(text(cat(group, file)), key);
  }
  // The innermost group at or above `path` that was itself told to freeze.
  std::string nearest(const std::string& base, std::string_view path, std::string_view file) {
    for (std::string_view group = path; group.size() > 1;) {
      if (trim(text(cat(base, group, file))) == "1") return std::string(group);
      const size_t slash = group.rfind('/');
      group = slash == std::string_view::npos ? std::string_view() : group.substr(0, slash);
    }
    return std::string(path);
  }

  Reader& reader_;
  sys::UniqueFd root_;
  std::string unified_;
  std::string freezer_;
};

void read_cgroups(Reader& reader, const Source& source, Snapshot& snapshot) {
  CgroupReader cgroups(reader, source.sys_cgroup);
  for (const auto& [pid, process] : snapshot.processes) {
    if (!process.looked_at || !process.cgroup) continue;
    const auto [place, is_new] = snapshot.cgroups.try_emplace(*process.cgroup);
    if (is_new) place->second = cgroups.read(place->first);
  }
}

// Takes off `wanted` what it finds. The tables of TCP come last, as they are dear: the kernel walks
// its whole hash table, which is large on a large machine, even if there is no connection at all.
void read_sockets_at(Reader& reader, int proc, const std::string& net, std::set<ino_t>& wanted,
                     const std::set<ino_t>& other_than_tcp, Snapshot& snapshot) {
  if (const auto text = reader.read_whole(proc, cat(net, "unix").c_str(), kMaxTable)) {
    for (UnixSocket& socket : parse_unix(*text)) {
      // Those with a path, too: they tell what a service listens on.
      const bool is_held = wanted.erase(socket.inode) != 0;
      if (is_held || (socket.inode != 0 && !socket.path.empty())) {
        snapshot.unix_sockets[socket.inode] = std::move(socket);
      }
    }
  }
  for (const ino_t socket : other_than_tcp) wanted.erase(socket);
  for (const char* table : {"tcp", "tcp6"}) {
    if (wanted.empty()) return;
    const auto text = reader.read_whole(proc, cat(net, table).c_str(), kMaxTable);
    if (!text) continue;
    for (TcpSocket& socket : parse_tcp(*text)) {
      if (wanted.erase(socket.inode) != 0) snapshot.tcp[socket.inode] = std::move(socket);
    }
  }
}

// Each network has tables of its own, which are asked for once, through any process in it.
void read_sockets(Reader& reader, int proc, const std::set<ino_t>& other_than_tcp,
                  Snapshot& snapshot) {
  std::map<std::string, std::string> places;      // the tables of each network
  std::map<std::string, std::set<ino_t>> wanted;  // and what is looked for in it
  const std::string ours(reader.link(proc, "self/ns/net").value_or(""));
  for (const auto& [pid, process] : snapshot.processes) {
    if (!process.looked_at || !process.descriptors) continue;
    std::set<ino_t>* sockets = nullptr;
    for (const Descriptor& descriptor : *process.descriptors) {
      if (descriptor.kind != FileKind::socket) continue;
      if (sockets == nullptr) {
        const std::string net(reader.link(proc, cat(pid, "/ns/net").c_str()).value_or(""));
        places.emplace(net, net.empty() || net == ours ? "net/" : cat(pid, "/net/"));
        sockets = &wanted[net];
      }
      sockets->insert(descriptor.inode);
    }
  }
  for (auto& [net, sockets] : wanted) {
    read_sockets_at(reader, proc, places.at(net), sockets, other_than_tcp, snapshot);
  }
}

}  // namespace

Machine read_machine(Reader& reader, int proc, const Source& source, const Recorded& recorded) {
  Machine machine;
  if (source.is_live()) {
    utsname name{};
    ::uname(&name);
    machine.kernel = static_cast<const char*>(name.release);
    machine.architecture = static_cast<const char*>(name.machine);
    machine.page_size = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    machine.ticks_per_s = ::sysconf(_SC_CLK_TCK);
    machine.looker = ::geteuid();
  } else {
    machine.kernel = trim(reader.read(proc, "sys/kernel/osrelease").value_or(""));
    machine.architecture = recorded.architecture.value_or("x86_64");
    machine.page_size = recorded.page_size.value_or(machine.page_size);
    machine.ticks_per_s = recorded.ticks_per_s.value_or(machine.ticks_per_s);
    machine.looker = recorded.looker.value_or(machine.looker);
  }
  machine.pipe_max_size =
      read_number(reader, proc, "sys/fs/pipe-max-size").value_or(machine.pipe_max_size);
  machine.pipe_user_pages_soft = read_number(reader, proc, "sys/fs/pipe-user-pages-soft");
  if (auto text = reader.read(proc, "uptime")) {
    machine.uptime_s = to_seconds(take_word(*text)).value_or(0);
  }
  machine.ptrace_scope =
      static_cast<int>(read_number(reader, proc, "sys/kernel/yama/ptrace_scope").value_or(0) & 3U);
  return machine;
}

void read_surroundings(Reader& reader, int proc, const Source& source,
                       const std::set<ino_t>& other_than_tcp, Locks locks, Snapshot& snapshot) {
  if (locks == Locks::read) {
    if (const auto text = reader.read_whole(proc, "locks", kMaxTable)) {
      snapshot.locks = parse_locks(*text);
    }
  }
  read_sockets(reader, proc, other_than_tcp, snapshot);
  read_cgroups(reader, source, snapshot);
}

}  // namespace penstock::procfs
