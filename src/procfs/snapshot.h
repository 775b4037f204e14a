// What could be seen of processes and pipes at one moment. A snapshot has no opinions: whatever was
// not told is an empty optional, and the reader of the snapshot must not take that for "fine".
//
// Sources: proc(5), proc_pid_syscall(5), fs/pipe.c; the probes are those of
// docs/diagnosis/rules.md.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "procfs/process_table.h"

namespace penstock::procfs {

// The system calls that the rules ask about, by meaning: numbers differ between machines.
enum class Call : uint8_t {
  read,    // read, readv, pread64, …
  write,   // write, writev, …
  splice,  // splice, tee, vmsplice, sendfile
  poll,    // poll, ppoll, select, pselect6
  epoll,   // epoll_wait, epoll_pwait, …
  wait,    // wait4, waitid
  futex,   // futex and its relatives
  open,    // open, openat, openat2
  ioctl,
  lock,     // flock, fcntl
  receive,  // recvfrom, recvmsg, …
  send,     // sendto, sendmsg, …
  accept,   // accept, accept4, connect
  sleep,    // nanosleep, clock_nanosleep, pause, rt_sigsuspend, rt_sigtimedwait
  other,
};
std::string_view name_of(Call call);
std::optional<Call> call_named(std::string_view name);

// /proc/PID/task/TID/syscall.
struct SyscallState {
  bool running = false;  // on a processor (or ready for one), so in no call that could be told
  Call call = Call::other;
  long number = -1;  // -1 as well: asleep, but in no system call
  std::array<uint64_t, 6> arguments{};

  bool operator==(const SyscallState&) const = default;
};

// One thread.
struct Task {
  pid_t tid = 0;
  std::string comm;
  char state = '?';                     // as in proc(5): R, S, D, T, t, Z, I, …
  std::optional<std::string> wchan;     // nothing: not told (an empty or "0" answer included)
  std::optional<SyscallState> syscall;  // nothing: refused, or this kernel has no such file
  std::optional<uint64_t> voluntary_switches;
  std::optional<uint64_t> involuntary_switches;
  std::optional<double> idle_s;        // since it last ran, from /proc/TID/sched; for people
  std::optional<std::string> opening;  // in wait_for_partner: the path, from the caller's memory

  bool operator==(const Task&) const = default;
};

enum class FileKind : uint8_t {
  pipe,    // pipe:[INODE]
  fifo,    // a named pipe on disk, where that could be told without touching its file system
  socket,  // socket:[INODE]
  tty,     // /dev/tty*, /dev/pts/*, /dev/console
  path,    // any other name: regular files, directories, devices
  memfd,   // /memfd:NAME (deleted)
  epoll,   // anon_inode:[eventpoll]
  other,   // any other anon_inode
};

struct EpollEntry {
  int fd = -1;
  uint32_t events = 0;  // EPOLLIN, …; bit 31 is EPOLLET

  bool operator==(const EpollEntry&) const = default;
};

struct Descriptor {
  int fd = -1;
  FileKind kind = FileKind::other;
  std::string target;  // what the link says
  ino_t inode = 0;     // of pipe, fifo (0: not known), socket
  bool reads = false;
  bool writes = false;
  // From fdinfo; only where it was asked for (pipes, fifos, ttys, epolls, files of looked-at
  // processes).
  std::optional<uint32_t> flags;  // as open(2) has them: O_NONBLOCK, O_DIRECT, O_CLOEXEC
  std::optional<uint64_t> position;
  std::vector<EpollEntry> watched;  // of an epoll descriptor
  bool locked = false;              // a file lock is held through it (whoever shares it holds it)
  std::string content;              // of a memfd penstock-gate:*, at most 64 KiB

  bool is_pipe() const { return kind == FileKind::pipe || kind == FileKind::fifo; }
  bool nonblocking() const;
  bool packet_mode() const;

  bool operator==(const Descriptor&) const = default;
};

// The counters of /proc/PID/io.
struct IoTotals {
  uint64_t read_bytes = 0;   // rchar
  uint64_t write_bytes = 0;  // wchar; a write that still sleeps has not been counted
  uint64_t read_calls = 0;
  uint64_t write_calls = 0;
  uint64_t disk_read = 0;
  uint64_t disk_written = 0;

  bool operator==(const IoTotals&) const = default;
};

struct Process {
  ProcessStat stat;
  int tty = 0;                     // device number of the controlling terminal; 0: none
  pid_t foreground_group = -1;     // of that terminal
  uint64_t cpu_ticks = 0;          // user and system
  std::optional<int> exit_status;  // of a zombie, as waitpid(2) gives it, where we may know it
  // The descriptor table: nothing if it may not be read. Of a process that is not looked at (see
  // `looked_at`) only pipes, sockets, memfds of gates and their directions.
  std::optional<std::vector<Descriptor>> descriptors;

  // From here on only of processes that the chooser asked for.
  bool looked_at = false;
  std::optional<std::vector<std::string>> arguments;
  std::optional<std::string> exe;
  std::optional<uid_t> user;  // effective
  pid_t tracer = 0;
  uint64_t signals_pending = 0;  // bit n-1 is signal n
  uint64_t signals_blocked = 0;
  uint64_t signals_ignored = 0;
  uint64_t signals_caught = 0;
  std::optional<IoTotals> io;
  std::optional<std::string> cgroup;           // path in the unified hierarchy (v1: of the freezer)
  std::vector<Task> tasks;                     // the leader first
  std::vector<std::string> environment_names;  // ZFS_SET_PIPE_MAX and its like, if set; no values

  bool is_zombie() const { return stat.state == 'Z' || stat.state == 'X'; }
  ProcessId id() const;

  bool operator==(const Process&) const = default;
};

// One pipe, asked through somebody's descriptor that was reopened for the length of one call.
struct PipeFacts {
  ino_t inode = 0;
  std::optional<size_t> capacity;  // bytes
  std::optional<size_t> queued;    // bytes; says nothing about "full", which goes by slots
  std::optional<bool> writable;    // POLLOUT on a write end: the only truth about "full"
  std::optional<bool> has_writer;  // no POLLHUP on a read end: a writer exists, visible or not
  std::optional<bool> has_reader;  // no POLLERR on a write end
  std::optional<uid_t> owner;      // whoever made it; nobody else but root may reopen it
  std::string refused;             // why something above is missing, for people

  // Its last known holder has left it between the tables and the question.
  bool is_left() const { return refused == kNobodyLeft; }
  static constexpr std::string_view kNobodyLeft = "nobody is left through whom it could be asked";

  bool operator==(const PipeFacts&) const = default;
};

// A line of /proc/locks.
struct FileLock {
  uint64_t number = 0;  // waiters have the number of the lock they wait for
  bool waits = false;
  std::string kind;  // POSIX, FLOCK, OFDLCK
  bool exclusive = false;
  pid_t pid = 0;  // -1 for OFD locks: find the holder by inode
  uint32_t major = 0;
  uint32_t minor = 0;
  ino_t inode = 0;

  bool operator==(const FileLock&) const = default;
};

// A line of /proc/net/tcp or tcp6.
struct TcpSocket {
  ino_t inode = 0;
  std::string local;  // address:port, as people write it
  std::string remote;
  int state = 0;  // 1: established
  uint64_t send_queue = 0;
  uint64_t receive_queue = 0;
  int timer = 0;  // 1: retransmission, 2: keepalive, 4: zero window probe
  uint64_t retransmits = 0;
  uint64_t probes = 0;

  bool operator==(const TcpSocket&) const = default;
};

// A line of /proc/net/unix. Who the peer is the kernel does not say there.
struct UnixSocket {
  ino_t inode = 0;
  int state = 0;
  std::string path;  // empty: unnamed

  bool operator==(const UnixSocket&) const = default;
};

struct CgroupFacts {
  bool frozen = false;                   // itself, or one above it
  std::string frozen_at;                 // which
  bool by_freezer = false;               // of version 1: by its freezer.state
  std::optional<uint64_t> throttled_us;  // cpu.stat
  std::optional<uint64_t> memory_high;   // memory.events: high

  bool operator==(const CgroupFacts&) const = default;
};

struct Machine {
  std::string kernel;        // release, as uname -r has it
  std::string architecture;  // as uname -m
  size_t page_size = 4096;
  size_t pipe_max_size = 1 << 20;
  std::optional<uint64_t> pipe_user_pages_soft;
  double uptime_s = 0;
  long ticks_per_s = 100;
  uid_t looker = 0;              // who took the snapshot (effective uid)
  bool has_syscall_file = true;  // /proc/PID/syscall exists on this kernel
  int ptrace_scope = 0;          // kernel.yama.ptrace_scope

  bool operator==(const Machine&) const = default;
};

struct Snapshot {
  double taken_s = 0;              // CLOCK_MONOTONIC
  bool builds_on_earlier = false;  // what cannot have changed was taken over; not stored in files
  Machine machine;
  std::map<pid_t, Process> processes;
  std::map<ino_t, PipeFacts> pipes;  // of the pipes that looked-at processes hold
  std::vector<FileLock> locks;
  std::map<ino_t, TcpSocket> tcp;
  std::map<ino_t, UnixSocket> unix_sockets;
  std::map<std::string, CgroupFacts> cgroups;

  const Process* find(pid_t pid) const;
  const Process* find(const ProcessId& id) const;  // nothing if the number was given out anew

  bool operator==(const Snapshot&) const = default;
};

}  // namespace penstock::procfs
