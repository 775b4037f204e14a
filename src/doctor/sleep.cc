#include "doctor/sleep.h"

#include <algorithm>
#include <span>

namespace penstock::doctor {

using procfs::Call;
using procfs::Descriptor;
using procfs::FileKind;
using procfs::Snapshot;
using procfs::Task;

namespace {

// What a sleep name says by itself. `which` is what remains to be found out.
enum class Family : uint8_t { kind, pipe, stream };
struct SleepName {
  std::string_view part;  // of the kernel function's name
  WaitKind kind = WaitKind::other;
  bool writes = false;
  Family family = Family::kind;
};

// In order: the longer of two that overlap comes first (futex_do_wait, pipe_wait_readable).
constexpr SleepName kSleepNames[] = {
    {"pipe_wait_readable", WaitKind::pipe_read},
    {"pipe_wait_writable", WaitKind::pipe_write, true},
    {"pipe_read", WaitKind::pipe_read},
    {"pipe_write", WaitKind::pipe_write, true},
    {"pipe_wait", WaitKind::other, false, Family::pipe},
    {"wait_for_partner", WaitKind::fifo_open},
    {"poll_schedule_timeout", WaitKind::poll},
    {"do_sys_poll", WaitKind::poll},
    {"do_poll", WaitKind::poll},
    {"do_select", WaitKind::poll},
    {"ep_poll", WaitKind::poll},
    {"do_epoll_wait", WaitKind::poll},
    {"futex", WaitKind::futex},
    {"do_wait_intr", WaitKind::other},
    {"do_wait", WaitKind::child},
    {"wait_woken", WaitKind::other, false, Family::stream},
    {"unix_stream_read_generic", WaitKind::unix_socket},
    {"unix_stream_data_wait", WaitKind::unix_socket},
    {"skb_wait_for_more_packets", WaitKind::other, false, Family::stream},
    {"sock_alloc_send_pskb", WaitKind::unix_socket, true},
    {"unix_wait_for_peer", WaitKind::unix_socket, true},
    {"sk_stream_wait_memory", WaitKind::network, true},
    {"sk_wait_data", WaitKind::network},
    {"inet_csk_accept", WaitKind::network},
    {"inet_wait_for_connect", WaitKind::network},
    {"do_signal_stop", WaitKind::stopped},
    {"ptrace_stop", WaitKind::traced},
    {"cv_wait_common", WaitKind::zfs},
    {"cv_timedwait", WaitKind::zfs},
    {"txg_wait_synced", WaitKind::zfs},
    {"taskq_wait", WaitKind::zfs},
    {"rpc_wait_bit_killable", WaitKind::network_disk},
    {"nfs_", WaitKind::network_disk},
    {"request_wait_answer", WaitKind::network_disk},
    {"fuse_", WaitKind::network_disk},
    {"__refrigerator", WaitKind::frozen},
    {"do_freezer_trap", WaitKind::frozen},
    {"locks_lock_inode_wait", WaitKind::lock},
    {"flock_lock_inode_wait", WaitKind::lock},
    {"posix_lock_inode_wait", WaitKind::lock},
    {"do_lock_file_wait", WaitKind::lock},
    {"fcntl_setlk", WaitKind::lock},
    {"nanosleep", WaitKind::asleep},
    {"sigsuspend", WaitKind::asleep},
    {"sigtimedwait", WaitKind::asleep},
    {"sys_pause", WaitKind::asleep},
    {"n_tty_read", WaitKind::terminal},
    {"n_tty_write", WaitKind::terminal, true},
};

const SleepName* find_sleep_name(std::string_view function) {
  for (const SleepName& name : kSleepNames) {
    if (function.find(name.part) != std::string_view::npos) return &name;
  }
  return nullptr;
}

class Sleeper {
 public:
  Sleeper(const Scene& scene, const Snapshot& snapshot, const Process& process, const Task& task)
      : scene_(scene), snapshot_(snapshot), process_(process), task_(task) {
    wait_.process = process.id();
    wait_.tid = task.tid;
    if (task.wchan) wait_.function = *task.wchan;
  }

  Wait find() {
    if (by_state() || by_cgroup()) return wait_;
    const SleepName* name = task_.wchan ? find_sleep_name(*task_.wchan) : nullptr;
    if (name != nullptr) {
      by_name(*name);
    } else if (task_.syscall) {
      by_call(*task_.syscall);
    } else if (task_.state != 'D') {
      wait_.kind = task_.wchan ? WaitKind::other : WaitKind::untold;
    }
    if (task_.state == 'D' && wait_.kind == WaitKind::awake) wait_.kind = WaitKind::disk;
    if (task_.state == 'D' && wait_.kind == WaitKind::other) wait_.kind = WaitKind::disk;
    return wait_;
  }

 private:
  bool by_state() {
    switch (task_.state) {
      case 'T':
        wait_.kind = WaitKind::stopped;
        return true;
      case 't':
        wait_.kind = WaitKind::traced;
        return true;
      case 'Z':
      case 'X':
        wait_.kind = WaitKind::zombie;
        return true;
      case 'R':
        return true;
      default:
        break;
    }
    // Read a little later than the state, and so the truer of the two.
    return task_.syscall && task_.syscall->running;
  }

  bool by_cgroup() {
    if (!process_.cgroup) return false;
    const auto facts = snapshot_.cgroups.find(*process_.cgroup);
    if (facts == snapshot_.cgroups.end() || !facts->second.frozen) return false;
    wait_.kind = WaitKind::frozen;
    return true;
  }

  void by_name(const SleepName& name) {
    wait_.kind = name.kind;
    wait_.writes = name.writes;
    if (name.family == Family::pipe) wait_.kind = direction_of_pipe_wait();
    if (name.family == Family::stream) return on_stream();
    if (wait_.kind == WaitKind::pipe_read || wait_.kind == WaitKind::pipe_write) return on_pipe();
    if (wait_.kind == WaitKind::unix_socket || wait_.kind == WaitKind::network ||
        wait_.kind == WaitKind::terminal || wait_.kind == WaitKind::lock) {
      wait_.fd = told_fd();
    }
  }

  // Where the sleep name is not told, or one that nobody here knows.
  void by_call(const procfs::SyscallState& syscall) {
    switch (syscall.call) {
      case Call::read:
      case Call::write:
      case Call::receive:
      case Call::send:
      case Call::accept:
        return by_descriptor();
      case Call::splice: {
        wait_.kind = direction_of_pipe_wait();
        if (wait_.kind != WaitKind::untold) on_pipe();
        return;
      }
      case Call::poll:
      case Call::epoll:
        wait_.kind = WaitKind::poll;
        return;
      case Call::wait:
        wait_.kind = WaitKind::child;
        return;
      case Call::futex:
        wait_.kind = WaitKind::futex;
        return;
      case Call::lock:
        wait_.kind = WaitKind::lock;
        wait_.fd = told_fd();
        return;
      case Call::sleep:
        wait_.kind = WaitKind::asleep;
        return;
      case Call::open:
        wait_.kind = task_.opening ? WaitKind::fifo_open : WaitKind::other;
        return;
      case Call::ioctl:
      case Call::other:
        wait_.kind = WaitKind::other;
        return;
    }
  }

  void by_descriptor() {
    wait_.kind = WaitKind::other;
    wait_.fd = told_fd();
    wait_.writes = sends();
    const Descriptor* file = descriptor(wait_.fd);
    if (file == nullptr) return;
    if (file->is_pipe()) {
      wait_.kind = wait_.writes ? WaitKind::pipe_write : WaitKind::pipe_read;
      wait_.pipe = file->inode;
    }
    if (file->kind == FileKind::tty) wait_.kind = WaitKind::terminal;
    if (file->kind == FileKind::socket) wait_.kind = kind_of_socket(file->inode);
  }

  // wait_woken and its like: a terminal or a connection; which, the descriptor says.
  void on_stream() {
    wait_.writes = sends();
    wait_.fd = told_fd();
    if (const Descriptor* file = descriptor(wait_.fd)) {
      if (file->kind == FileKind::tty) wait_.kind = WaitKind::terminal;
      if (file->kind == FileKind::socket) wait_.kind = kind_of_socket(file->inode);
      return;
    }
    if (call_takes_fd()) return;
    wait_.by_table = true;
    const Descriptor* tty = first(FileKind::tty);
    const Descriptor* socket = first(FileKind::socket);
    if ((tty == nullptr) == (socket == nullptr)) return;
    const Descriptor& only = tty != nullptr ? *tty : *socket;
    wait_.fd = only.fd;
    wait_.kind = tty != nullptr ? WaitKind::terminal : kind_of_socket(socket->inode);
  }

  void on_pipe() {
    wait_.writes = wait_.kind == WaitKind::pipe_write;
    if (call_takes_fd()) {
      wait_.fd = task_.syscall->call == Call::splice ? spliced_fd(wait_.writes) : told_fd();
      const Descriptor* file = descriptor(wait_.fd);
      if (file != nullptr && file->is_pipe()) wait_.pipe = file->inode;
      return;
    }
    // A poll or a futex cannot sleep in there: name and call were read at different moments.
    if (task_.syscall && task_.syscall->call != Call::ioctl && task_.syscall->call != Call::other) {
      wait_.kind = WaitKind::awake;
      return;
    }
    from_table();
  }

  // Which of its pipes: the only one; else the only one that is in such a state that one would
  // sleep on it; else the one at the customary number.
  void from_table() {
    wait_.by_table = true;
    std::vector<const Descriptor*> held = pipes_held(wait_.writes);
    wait_.sure = held.size() == 1;
    if (held.size() > 1) {
      std::vector<const Descriptor*> fit = held;
      std::erase_if(fit, [&](const Descriptor* file) { return !would_block(*file); });
      if (!fit.empty()) held = fit;
    }
    const int customary = wait_.writes ? 1 : 0;
    for (const Descriptor* file : held) {
      if (held.size() > 1 && file->fd != customary) continue;
      wait_.fd = file->fd;
      wait_.pipe = file->inode;
      return;
    }
  }

  bool would_block(const Descriptor& file) const {
    return wait_.writes ? scene_.writable(file.inode) == false
                        : scene_.is_empty(file.inode) == true;
  }

  // Each pipe once, by its lowest descriptor.
  std::vector<const Descriptor*> pipes_held(bool for_writing) const {
    std::vector<const Descriptor*> held;
    for (const Descriptor& file : table()) {
      if (!file.is_pipe() || file.inode == 0) continue;
      if (!(for_writing ? file.writes : file.reads)) continue;
      const bool known = std::ranges::any_of(
          held, [&](const Descriptor* other) { return other->inode == file.inode; });
      if (!known) held.push_back(&file);
    }
    return held;
  }

  // Kernels up to 5.4 say pipe_wait for both.
  WaitKind direction_of_pipe_wait() const {
    if (task_.syscall && task_.syscall->call == Call::read) return WaitKind::pipe_read;
    if (task_.syscall && task_.syscall->call == Call::write) return WaitKind::pipe_write;
    std::vector<const Descriptor*> in = pipes_held(false);
    std::vector<const Descriptor*> out = pipes_held(true);
    if (task_.syscall && task_.syscall->call == Call::splice) {
      keep_only(in, spliced_fd(false));
      keep_only(out, spliced_fd(true));
    }
    if (in.empty() && out.empty()) return WaitKind::untold;
    if (out.empty()) return WaitKind::pipe_read;
    if (in.empty()) return WaitKind::pipe_write;
    const bool dry = std::ranges::all_of(
        in, [&](const Descriptor* file) { return scene_.is_empty(file->inode) == true; });
    const bool full = std::ranges::any_of(
        out, [&](const Descriptor* file) { return scene_.writable(file->inode) == false; });
    if (dry == full) return WaitKind::untold;
    return dry ? WaitKind::pipe_read : WaitKind::pipe_write;
  }

  static void keep_only(std::vector<const Descriptor*>& files, int fd) {
    std::erase_if(files, [&](const Descriptor* file) { return file->fd != fd; });
  }

  // splice has them at 0 and 2, tee at 0 and 1, sendfile at 1 and 0, vmsplice one at 0.
  int spliced_fd(bool for_writing) const {
    for (const size_t place : for_writing ? std::vector<size_t>{2, 1, 0} : std::vector<size_t>{0}) {
      const int fd = static_cast<int>(task_.syscall->arguments.at(place));
      const Descriptor* file = descriptor(fd);
      if (file != nullptr && file->is_pipe() && (for_writing ? file->writes : file->reads)) {
        return fd;
      }
    }
    return -1;
  }

  WaitKind kind_of_socket(ino_t inode) const {
    if (snapshot_.tcp.contains(inode)) return WaitKind::network;
    if (snapshot_.unix_sockets.contains(inode)) return WaitKind::unix_socket;
    return WaitKind::network;
  }

  bool sends() const {
    return task_.syscall &&
           (task_.syscall->call == Call::write || task_.syscall->call == Call::send);
  }

  bool call_takes_fd() const {
    if (!task_.syscall) return false;
    switch (task_.syscall->call) {
      case Call::read:
      case Call::write:
      case Call::splice:
      case Call::lock:
      case Call::receive:
      case Call::send:
      case Call::accept:
        return true;
      default:
        return false;
    }
  }

  int told_fd() const {
    return call_takes_fd() ? static_cast<int>(task_.syscall->arguments[0]) : -1;
  }

  std::span<const Descriptor> table() const {
    return process_.descriptors ? std::span<const Descriptor>(*process_.descriptors)
                                : std::span<const Descriptor>();
  }
  const Descriptor* descriptor(int fd) const {
    const auto it = std::ranges::find(table(), fd, &Descriptor::fd);
    return it == table().end() ? nullptr : &*it;
  }
  const Descriptor* first(FileKind kind) const {
    const auto it = std::ranges::find(table(), kind, &Descriptor::kind);
    return it == table().end() ? nullptr : &*it;
  }

  const Scene& scene_;
  const Snapshot& snapshot_;
  const Process& process_;
  const Task& task_;
  Wait wait_;
};

}  // namespace

Wait sleep_of(const Scene& scene, const Snapshot& snapshot, const Process& process,
              const Task& task) {
  return Sleeper(scene, snapshot, process, task).find();
}

}  // namespace penstock::doctor
