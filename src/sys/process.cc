#include "sys/process.h"

#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <span>

#include "base/error.h"
#include "base/text.h"
#include "sys/files.h"

namespace penstock::sys {

namespace {

// waitid without blocking; nothing if no child of that kind is dead (or there is none).
std::optional<siginfo_t> dead_child(idtype_t type, pid_t pid, int options) {
  siginfo_t info{};
  for (;;) {
    if (::waitid(type, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | options) == 0) break;
    if (errno == ECHILD) return std::nullopt;
    if (errno != EINTR) throw Error::from_errno("wait for a child");
  }
  if (info.si_pid == 0) return std::nullopt;
  return info;
}

// What cannot be written of the program and its libraries; there are a dozen such parts.
class ProgramParts {
 public:
  ProgramParts() {
    static const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
    const auto note = [](dl_phdr_info* object, size_t /*size*/, void* data) {
      for (const ElfW(Phdr) & part : std::span(object->dlpi_phdr, object->dlpi_phnum)) {
        // Never a writable part: it may hold what no file does.
        if (part.p_type != PT_LOAD || (part.p_flags & PF_W) != 0) continue;
        const uintptr_t first = (object->dlpi_addr + part.p_vaddr) & ~(page - 1);
        const uintptr_t last = object->dlpi_addr + part.p_vaddr + part.p_memsz;
        static_cast<ProgramParts*>(data)->add(first, last - first);
      }
      return 0;
    };
    ::dl_iterate_phdr(note, this);
  }

  void drop() const {
    for (const auto& [first, size] : std::span(parts_).first(count_)) {
      // Refused where it cannot be done; then we are as large as before.
      // NOLINTNEXTLINE(performance-no-int-to-ptr): the loader gives numbers
      ::madvise(reinterpret_cast<void*>(first), size, MADV_DONTNEED);
    }
  }

 private:
  void add(uintptr_t first, size_t size) {
    if (count_ < parts_.size()) parts_.at(count_++) = {first, size};
  }

  std::array<std::pair<uintptr_t, size_t>, 32> parts_{};
  size_t count_ = 0;
};

}  // namespace

std::optional<UniqueFd> open_pidfd(pid_t pid) {
  const long fd = ::syscall(SYS_pidfd_open, pid, 0);
  if (fd < 0) {
    if (errno == ESRCH || errno == EINVAL) return std::nullopt;
    throw Error::from_errno(cat("open a pidfd for process ", pid));
  }
  return moved_high(UniqueFd(static_cast<int>(fd)));
}

bool is_dead(int pidfd) {
  pollfd entry{.fd = pidfd, .events = POLLIN, .revents = 0};
  while (::poll(&entry, 1, 0) < 0) {
    if (errno == EINTR) continue;
    // Somebody has taken our limit of descriptors away (prlimit). select does not ask for it.
    if (pidfd >= FD_SETSIZE) return false;
    fd_set set;
    FD_ZERO(&set);
    FD_SET(pidfd, &set);
    timeval now{};
    return ::select(pidfd + 1, &set, nullptr, nullptr, &now) == 1;
  }
  return entry.revents != 0;
}

Delivery send_signal(int pidfd, int signal) {
  if (::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) == 0) return Delivery::sent;
  return errno == EPERM ? Delivery::refused : Delivery::gone;
}

void signal_group(pid_t group, int signal) {
  static_cast<void>(::kill(-group, signal));  // ESRCH: nobody is left, which is as good
}

std::optional<Reaped> reap(pid_t pid) {
  const auto info = dead_child(P_PID, pid, 0);
  if (!info) return std::nullopt;
  return Reaped{.pid = info->si_pid,
                .status = ExitStatus::from_siginfo(info->si_code, info->si_status)};
}

std::optional<pid_t> peek_dead_child() {
  const auto info = dead_child(P_ALL, 0, WNOWAIT);
  if (!info) return std::nullopt;
  return info->si_pid;
}

std::optional<ExitStatus> peek_status(pid_t pid) {
  const auto info = dead_child(P_PID, pid, WNOWAIT);
  if (!info) return std::nullopt;
  return ExitStatus::from_siginfo(info->si_code, info->si_status);
}

void become_subreaper() {
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) throw Error::from_errno("become subreaper");
}

DescriptorLimit::DescriptorLimit() {
  ::getrlimit(RLIMIT_NOFILE, &limit_);  // cannot fail
}

void DescriptorLimit::restore() const {
  static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit_));
}

void drop_startup_pages() {
  // Looked for once: to look for them touches more than the rest of this does.
  static const ProgramParts parts;
  parts.drop();
}

void set_process_name(const char* name) {
  ::prctl(PR_SET_NAME, name, 0, 0, 0);
}

bool has_terminal() {
  return try_open("/dev/tty", O_RDWR | O_NOCTTY).has_value();
}

std::optional<uint64_t> start_time_of(pid_t pid) {
  const auto fd = try_open(cat("/proc/", pid, "/stat"), O_RDONLY);
  if (!fd) return std::nullopt;
  std::array<uint8_t, 1024> buffer{};
  size_t size = 0;
  try {
    size = read_full(fd->get(), buffer, "stat");
  } catch (const Error&) {
    return std::nullopt;  // ESRCH: it ended between open and read
  }
  std::string_view text(reinterpret_cast<const char*>(buffer.data()), size);
  // The name (field 2) may hold blanks and brackets, so fields are counted from its last bracket.
  const size_t bracket = text.rfind(") ");
  if (bracket == std::string_view::npos) return std::nullopt;
  text.remove_prefix(bracket + 2);
  if (text.starts_with('Z') || text.starts_with('X')) return std::nullopt;
  for (int field = 3; field < 22; ++field) {
    const size_t blank = text.find(' ');
    if (blank == std::string_view::npos) return std::nullopt;
    text.remove_prefix(blank + 1);
  }
  return parse_u64(text.substr(0, text.find(' ')));
}

std::string boot_id() {
  const auto fd = try_open("/proc/sys/kernel/random/boot_id", O_RDONLY);
  if (!fd) return "";
  return std::string(trim(read_small_file(fd->get(), 64, "boot_id")));
}

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "?";
  return name.data();
}

}  // namespace penstock::sys
