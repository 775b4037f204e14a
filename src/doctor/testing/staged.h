// A builder of pairs of synthetic snapshots, for unit tests: what is staged is the same in both
// unless it is said to change.
//
//   Staged stage;
//   stage.process(4709, "gpg").stdout_pipe(81230).writing(1);
//   stage.process(4710, "zstdcat").stdin_pipe(81230).stdout_pipe(81234).writing(1);
//   stage.process(4711, "zfs").stdin_pipe(81234).reading(0);
//   stage.pipe(81230).full();
//   stage.pipe(81234).capacity(1 << 20).empty();
//   Diagnosis diagnosis = diagnose(stage.before(), stage.now());
#pragma once

#include <fcntl.h>

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "procfs/snapshot.h"

namespace penstock::doctor::testing {

using procfs::Call;
using procfs::FileKind;

class Staged;

// One process; a handle, as cheap as a pointer. The verbs of sleeping are about the thread that
// was named last: the leader, until thread() is called.
class StagedProcess {
 public:
  StagedProcess(Staged& stage, pid_t pid) : stage_(&stage), pid_(pid), tid_(pid) {}

  procfs::Process& get();
  procfs::Task& task();
  procfs::ProcessId id() { return get().id(); }

  StagedProcess& parent(pid_t pid) {
    return set([&](auto& p) { p.stat.parent = pid; });
  }
  StagedProcess& group(pid_t group) {
    return set([&](auto& p) { p.stat.group = group; });
  }
  StagedProcess& session(pid_t session) {
    return set([&](auto& p) { p.stat.session = session; });
  }
  StagedProcess& started(uint64_t ticks) {
    return set([&](auto& p) { p.stat.start_time = ticks; });
  }
  StagedProcess& user(uid_t uid) {
    return set([&](auto& p) { p.user = uid; });
  }
  StagedProcess& exe(std::string path) {
    return set([&](auto& p) { p.exe = path; });
  }
  StagedProcess& cgroup(std::string path) {
    return set([&](auto& p) { p.cgroup = path; });
  }
  StagedProcess& tracer(pid_t pid) {
    return set([&](auto& p) { p.tracer = pid; });
  }
  StagedProcess& environment(std::string name) {
    return set([&](auto& p) { p.environment_names.push_back(name); });
  }
  StagedProcess& arguments(std::vector<std::string> words) {
    return set([&](auto& p) { p.arguments = words; });
  }
  StagedProcess& controlling_tty(int device, pid_t foreground) {
    return set([&](auto& p) {
      p.tty = device;
      p.foreground_group = foreground;
    });
  }
  StagedProcess& ignores(int signal) {
    return set([&](auto& p) { p.signals_ignored |= uint64_t{1} << (signal - 1); });
  }
  StagedProcess& blocks(int signal) {
    return set([&](auto& p) { p.signals_blocked |= uint64_t{1} << (signal - 1); });
  }
  StagedProcess& catches(int signal) {
    return set([&](auto& p) { p.signals_caught |= uint64_t{1} << (signal - 1); });
  }
  StagedProcess& pending(int signal) {
    return set([&](auto& p) { p.signals_pending |= uint64_t{1} << (signal - 1); });
  }

  // Descriptors. A pipe that is mentioned exists.
  StagedProcess& stdin_pipe(ino_t pipe) { return holds_read(0, pipe); }
  StagedProcess& stdout_pipe(ino_t pipe) { return holds_write(1, pipe); }
  StagedProcess& stderr_pipe(ino_t pipe) { return holds_write(2, pipe); }
  StagedProcess& holds_read(int fd, ino_t pipe);
  StagedProcess& holds_write(int fd, ino_t pipe);
  StagedProcess& fifo(int fd, ino_t inode, const std::string& path, bool reads, bool writes);
  StagedProcess& file(int fd, const std::string& path, uint64_t position = 0);
  StagedProcess& tty_fd(int fd, const std::string& path = "/dev/pts/3");
  StagedProcess& unix_socket(int fd, ino_t inode, const std::string& path = "");
  StagedProcess& tcp_socket(int fd, procfs::TcpSocket socket);
  StagedProcess& epoll(int fd, std::vector<procfs::EpollEntry> watched);
  StagedProcess& gate(int fd, ino_t pipe, std::string content);
  StagedProcess& open(procfs::Descriptor descriptor);
  // On top of what the descriptor has: O_NONBLOCK, O_DIRECT, …
  StagedProcess& flags(int fd, uint32_t flags);

  // Sleeping. Another thread is made when it is first named.
  StagedProcess& thread(pid_t tid);
  StagedProcess& in(Call call, std::string wchan, std::array<uint64_t, 6> arguments = {});
  StagedProcess& reading(int fd, const std::string& wchan = "anon_pipe_read") {
    return in(Call::read, wchan, {static_cast<uint64_t>(fd), 0x7f00, 65536});
  }
  StagedProcess& writing(int fd, const std::string& wchan = "anon_pipe_write") {
    return in(Call::write, wchan, {static_cast<uint64_t>(fd), 0x7f00, 65536});
  }
  StagedProcess& polling() { return in(Call::poll, "poll_schedule_timeout.constprop.0"); }
  StagedProcess& epolling(int fd) {
    return in(Call::epoll, "do_epoll_wait", {static_cast<uint64_t>(fd)});
  }
  StagedProcess& waiting_for_child() { return in(Call::wait, "do_wait"); }
  StagedProcess& on_futex() { return in(Call::futex, "futex_do_wait"); }
  StagedProcess& sleeping() { return in(Call::sleep, "hrtimer_nanosleep"); }
  StagedProcess& running();
  StagedProcess& state(char state);
  StagedProcess& disk_sleep(std::string wchan);
  StagedProcess& stopped() { return state('T').in(Call::other, "do_signal_stop"); }
  StagedProcess& traced_by(pid_t pid) {
    return tracer(pid).state('t').in(Call::other, "ptrace_stop");
  }
  // As a kernel without /proc/PID/syscall shows it.
  StagedProcess& without_syscall();
  // Asleep, and another user's: neither its sleep nor its descriptors may be read.
  StagedProcess& untold();
  StagedProcess& unreadable_table() {
    return set([](auto& p) { p.descriptors.reset(); });
  }
  StagedProcess& zombie(int exit_status = 0);
  StagedProcess& not_looked_at();

  // The second snapshot differs.
  StagedProcess& switches(uint64_t more = 1);  // the thread was woken in between
  StagedProcess& moves_bytes(uint64_t read, uint64_t written);
  StagedProcess& uses_cpu(uint64_t ticks);
  StagedProcess& vanishes();
  StagedProcess& is_another();  // its number was given out anew
  StagedProcess& comes_late();  // it is in the second only

 private:
  template <typename Change>
  StagedProcess& set(Change change) {
    change(get());
    return *this;
  }

  Staged* stage_;
  pid_t pid_;
  pid_t tid_;
};

class StagedPipe {
 public:
  StagedPipe(Staged& stage, ino_t inode) : stage_(&stage), inode_(inode) {}

  procfs::PipeFacts& get();
  StagedPipe& capacity(size_t bytes) {
    return set([&](auto& f) { f.capacity = bytes; });
  }
  StagedPipe& queued(size_t bytes) {
    return set([&](auto& f) { f.queued = bytes; });
  }
  StagedPipe& writable(bool is) {
    return set([&](auto& f) { f.writable = is; });
  }
  StagedPipe& owner(uid_t uid) {
    return set([&](auto& f) { f.owner = uid; });
  }
  // Somebody whom no table shows; without these the tables decide.
  StagedPipe& has_writer(bool is) {
    return set([&](auto& f) { f.has_writer = is; });
  }
  StagedPipe& has_reader(bool is) {
    return set([&](auto& f) { f.has_reader = is; });
  }
  StagedPipe& empty() { return queued(0).writable(true); }
  StagedPipe& full() {
    return set([](auto& f) {
      f.queued = f.capacity;
      f.writable = false;
    });
  }
  // May not be probed.
  StagedPipe& refused(uid_t owner, std::string why = "Permission denied");

  // The second snapshot differs.
  StagedPipe& later_queued(size_t bytes, bool is_writable = true);

 private:
  template <typename Change>
  StagedPipe& set(Change change) {
    change(get());
    return *this;
  }

  Staged* stage_;
  ino_t inode_;
};

class Staged {
 public:
  Staged() {
    machine().kernel = "6.18.0";
    machine().architecture = "x86_64";
    machine().pipe_user_pages_soft = 16384;
    machine().uptime_s = 100000;
    both_.taken_s = 1000;
    process(1, "systemd").in(Call::epoll, "do_epoll_wait").not_looked_at();
  }

  // Made when it is first named, asleep in nothing that a rule knows, started at 1000 + pid.
  StagedProcess process(pid_t pid, const std::string& comm = "");
  StagedPipe pipe(ino_t inode);
  procfs::Machine& machine() { return both_.machine; }
  // What is in both snapshots, for whatever has no verb here.
  procfs::Snapshot& both() { return both_; }
  // To be done to the second snapshot only.
  Staged& later(std::function<void(procfs::Snapshot&)> change) {
    changes_.push_back(std::move(change));
    return *this;
  }
  Staged& earlier(std::function<void(procfs::Snapshot&)> change) {
    first_changes_.push_back(std::move(change));
    return *this;
  }
  // As on a kernel without /proc/PID/syscall.
  Staged& without_syscalls() {
    machine().has_syscall_file = false;
    hide_syscalls_ = true;
    return *this;
  }
  Staged& interval(double seconds) {
    interval_ = seconds;
    return *this;
  }

  procfs::Snapshot before() const { return finish(both_, first_changes_); }
  procfs::Snapshot now() const {
    procfs::Snapshot second = both_;
    second.taken_s += interval_;
    second.machine.uptime_s += interval_;
    return finish(std::move(second), changes_);
  }

 private:
  using Changes = std::vector<std::function<void(procfs::Snapshot&)>>;

  procfs::Snapshot finish(procfs::Snapshot snapshot, const Changes& changes) const {
    for (const auto& change : changes) change(snapshot);
    for (auto& [inode, facts] : snapshot.pipes) {
      if (!facts.refused.empty()) continue;
      if (!facts.has_writer)
        facts.has_writer = is_held(snapshot, inode, &procfs::Descriptor::writes);
      if (!facts.has_reader)
        facts.has_reader = is_held(snapshot, inode, &procfs::Descriptor::reads);
    }
    for (auto& [pid, process] : snapshot.processes) {
      for (procfs::Task& task : process.tasks) {
        if (hide_syscalls_) task.syscall.reset();
      }
    }
    return snapshot;
  }

  static bool is_held(const procfs::Snapshot& snapshot, ino_t inode,
                      bool procfs::Descriptor::*direction) {
    return std::ranges::any_of(snapshot.processes, [&](const auto& entry) {
      const auto& table = entry.second.descriptors;
      return table && std::ranges::any_of(*table, [&](const procfs::Descriptor& file) {
               return file.is_pipe() && file.inode == inode && file.*direction;
             });
    });
  }

  procfs::Snapshot both_;
  Changes changes_;
  Changes first_changes_;
  double interval_ = 2;
  bool hide_syscalls_ = false;
};

inline StagedProcess Staged::process(pid_t pid, const std::string& comm) {
  auto [it, is_new] = both_.processes.try_emplace(pid);
  procfs::Process& made = it->second;
  if (is_new) {
    made.stat = {.pid = pid,
                 .comm = comm,
                 .state = 'S',
                 .parent = 1,
                 .group = pid,
                 .session = pid,
                 .start_time = 1000 + static_cast<uint64_t>(pid)};
    made.descriptors.emplace();
    made.looked_at = true;
    made.arguments = std::vector<std::string>{comm};
    made.exe = cat("/usr/bin/", comm);
    made.user = 0;
    made.io = procfs::IoTotals{.read_bytes = 1000, .write_bytes = 1000};
    StagedProcess handle(*this, pid);
    handle.thread(pid);
    handle.in(Call::other, "do_something_else");
  }
  if (!comm.empty()) made.stat.comm = comm;
  return {*this, pid};
}

inline StagedPipe Staged::pipe(ino_t inode) {
  auto [it, is_new] = both_.pipes.try_emplace(inode);
  if (is_new) {
    it->second = {.inode = inode, .capacity = 65536, .queued = 0, .writable = true, .owner = 0};
  }
  return {*this, inode};
}

inline procfs::Process& StagedProcess::get() {
  return stage_->both().processes.at(pid_);
}

inline procfs::Task& StagedProcess::task() {
  return *std::ranges::find(get().tasks, tid_, &procfs::Task::tid);
}

inline StagedProcess& StagedProcess::open(procfs::Descriptor descriptor) {
  auto& table = get().descriptors;
  if (!table) table.emplace();
  std::erase_if(*table, [&](const auto& file) { return file.fd == descriptor.fd; });
  table->push_back(std::move(descriptor));
  std::ranges::sort(*table, {}, &procfs::Descriptor::fd);
  return *this;
}

inline StagedProcess& StagedProcess::holds_read(int fd, ino_t pipe) {
  stage_->pipe(pipe);
  return open({.fd = fd,
               .kind = FileKind::pipe,
               .target = cat("pipe:[", pipe, "]"),
               .inode = pipe,
               .reads = true,
               .flags = O_RDONLY});
}

inline StagedProcess& StagedProcess::holds_write(int fd, ino_t pipe) {
  stage_->pipe(pipe);
  return open({.fd = fd,
               .kind = FileKind::pipe,
               .target = cat("pipe:[", pipe, "]"),
               .inode = pipe,
               .writes = true,
               .flags = O_WRONLY});
}

inline StagedProcess& StagedProcess::fifo(int fd, ino_t inode, const std::string& path, bool reads,
                                          bool writes) {
  if (inode != 0) stage_->pipe(inode);
  return open({.fd = fd,
               .kind = FileKind::fifo,
               .target = path,
               .inode = inode,
               .reads = reads,
               .writes = writes});
}

inline StagedProcess& StagedProcess::file(int fd, const std::string& path, uint64_t position) {
  return open({.fd = fd,
               .kind = FileKind::path,
               .target = path,
               .reads = true,
               .writes = true,
               .position = position});
}

inline StagedProcess& StagedProcess::tty_fd(int fd, const std::string& path) {
  return open({.fd = fd, .kind = FileKind::tty, .target = path, .reads = true, .writes = true});
}

inline StagedProcess& StagedProcess::unix_socket(int fd, ino_t inode, const std::string& path) {
  stage_->both().unix_sockets[inode] = {.inode = inode, .state = 3, .path = path};
  return open({.fd = fd,
               .kind = FileKind::socket,
               .target = cat("socket:[", inode, "]"),
               .inode = inode,
               .reads = true,
               .writes = true});
}

inline StagedProcess& StagedProcess::tcp_socket(int fd, procfs::TcpSocket socket) {
  stage_->both().tcp[socket.inode] = socket;
  return open({.fd = fd,
               .kind = FileKind::socket,
               .target = cat("socket:[", socket.inode, "]"),
               .inode = socket.inode,
               .reads = true,
               .writes = true});
}

inline StagedProcess& StagedProcess::epoll(int fd, std::vector<procfs::EpollEntry> watched) {
  return open({.fd = fd,
               .kind = FileKind::epoll,
               .target = "anon_inode:[eventpoll]",
               .reads = true,
               .writes = true,
               .watched = std::move(watched)});
}

inline StagedProcess& StagedProcess::gate(int fd, ino_t pipe, std::string content) {
  return open({.fd = fd,
               .kind = FileKind::memfd,
               .target = cat("/memfd:penstock-gate:", pipe, " (deleted)"),
               .reads = true,
               .writes = true,
               .content = std::move(content)});
}

inline StagedProcess& StagedProcess::flags(int fd, uint32_t flags) {
  for (procfs::Descriptor& file : *get().descriptors) {
    if (file.fd == fd) file.flags = file.flags.value_or(0) | flags;
  }
  return *this;
}

inline StagedProcess& StagedProcess::thread(pid_t tid) {
  tid_ = tid;
  procfs::Process& process = get();
  if (std::ranges::find(process.tasks, tid, &procfs::Task::tid) == process.tasks.end()) {
    process.tasks.push_back({.tid = tid,
                             .comm = process.stat.comm,
                             .state = 'S',
                             .voluntary_switches = 100,
                             .involuntary_switches = 10});
    in(Call::futex, "futex_do_wait");
  }
  return *this;
}

inline StagedProcess& StagedProcess::in(Call call, std::string wchan,
                                        std::array<uint64_t, 6> arguments) {
  task().wchan = std::move(wchan);
  task().syscall =
      procfs::SyscallState{.call = call, .number = static_cast<long>(call), .arguments = arguments};
  return *this;
}

inline StagedProcess& StagedProcess::state(char state) {
  task().state = state;
  if (tid_ == pid_) get().stat.state = state;
  return *this;
}

inline StagedProcess& StagedProcess::running() {
  task().wchan.reset();
  task().syscall = procfs::SyscallState{.running = true};
  return state('R');
}

inline StagedProcess& StagedProcess::disk_sleep(std::string wchan) {
  task().wchan = std::move(wchan);
  return state('D');
}

inline StagedProcess& StagedProcess::without_syscall() {
  task().syscall.reset();
  return *this;
}

inline StagedProcess& StagedProcess::untold() {
  for (procfs::Task& each : get().tasks) {
    each.wchan.reset();
    each.syscall.reset();
  }
  get().io.reset();
  return unreadable_table();
}

inline StagedProcess& StagedProcess::zombie(int exit_status) {
  procfs::Process& process = get();
  process.stat.state = 'Z';
  process.exit_status = exit_status;
  process.descriptors.emplace();
  process.arguments.reset();
  process.tasks.resize(1);
  process.tasks[0] = {.tid = pid_,
                      .comm = process.stat.comm,
                      .state = 'Z',
                      .voluntary_switches = 100,
                      .involuntary_switches = 10};
  return *this;
}

inline StagedProcess& StagedProcess::not_looked_at() {
  procfs::Process& process = get();
  process.looked_at = false;
  process.arguments.reset();
  process.exe.reset();
  process.user.reset();
  process.io.reset();
  process.cgroup.reset();
  process.tasks.clear();
  return *this;
}

inline StagedProcess& StagedProcess::switches(uint64_t more) {
  stage_->later([pid = pid_, tid = tid_, more](procfs::Snapshot& now) {
    auto& tasks = now.processes.at(pid).tasks;
    auto& moved = *std::ranges::find(tasks, tid, &procfs::Task::tid);
    moved.voluntary_switches = moved.voluntary_switches.value_or(0) + more;
  });
  return *this;
}

inline StagedProcess& StagedProcess::moves_bytes(uint64_t read, uint64_t written) {
  stage_->later([pid = pid_, read, written](procfs::Snapshot& now) {
    procfs::IoTotals& io = now.processes.at(pid).io.value();
    io.read_bytes += read;
    io.write_bytes += written;
    io.read_calls += read == 0 ? 0 : 1;
    io.write_calls += written == 0 ? 0 : 1;
  });
  return *this;
}

inline StagedProcess& StagedProcess::uses_cpu(uint64_t ticks) {
  stage_->later(
      [pid = pid_, ticks](procfs::Snapshot& now) { now.processes.at(pid).cpu_ticks += ticks; });
  return *this;
}

inline StagedProcess& StagedProcess::vanishes() {
  stage_->later([pid = pid_](procfs::Snapshot& now) { now.processes.erase(pid); });
  return *this;
}

inline StagedProcess& StagedProcess::is_another() {
  stage_->later(
      [pid = pid_](procfs::Snapshot& now) { now.processes.at(pid).stat.start_time += 5000; });
  return *this;
}

inline StagedProcess& StagedProcess::comes_late() {
  stage_->earlier([pid = pid_](procfs::Snapshot& before) { before.processes.erase(pid); });
  return *this;
}

inline procfs::PipeFacts& StagedPipe::get() {
  return stage_->both().pipes.at(inode_);
}

inline StagedPipe& StagedPipe::refused(uid_t owner, std::string why) {
  get() = {.inode = inode_, .owner = owner, .refused = std::move(why)};
  return *this;
}

inline StagedPipe& StagedPipe::later_queued(size_t bytes, bool is_writable) {
  stage_->later([inode = inode_, bytes, is_writable](procfs::Snapshot& now) {
    now.pipes.at(inode).queued = bytes;
    now.pipes.at(inode).writable = is_writable;
  });
  return *this;
}

}  // namespace penstock::doctor::testing
