#include "sys/sandbox.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>

#include "base/error.h"
#include "base/text.h"
#include "sys/files.h"

namespace penstock::sys {

namespace {

// Landlock as <linux/landlock.h> of newer kernels has it; ours may be older than the kernel we run
// on. A kernel takes the longer structure as long as what it does not know is 0.
struct RulesetAttributes {
  uint64_t handled_files = 0;
  uint64_t handled_net = 0;  // since version 4
  uint64_t scoped = 0;       // since version 6
};
struct __attribute__((packed)) BeneathAttributes {
  uint64_t allowed = 0;
  int32_t parent = -1;
};
constexpr long kCreateRuleset = 444;
constexpr long kAddRule = 445;
constexpr long kRestrictSelf = 446;
constexpr unsigned kAskVersion = 1;
constexpr int kBeneath = 1;

constexpr uint64_t bit(unsigned number) {
  return uint64_t{1} << number;
}
constexpr uint64_t kWriteFile = bit(1);
constexpr uint64_t kTruncate = bit(14);  // version 3
constexpr uint64_t kRefer = bit(13);     // version 2: links and renames between directories
constexpr uint64_t kDeviceIo = bit(15);  // version 5: ioctl on devices opened later
// remove_dir, remove_file, make_char, make_dir, make_reg, make_sock, make_fifo, make_block,
// make_sym
constexpr uint64_t kChangeNames =
    bit(4) | bit(5) | bit(6) | bit(7) | bit(8) | bit(9) | bit(10) | bit(11) | bit(12);
constexpr uint64_t kMakeDevices = bit(6) | bit(11);
constexpr uint64_t kTcp = bit(0) | bit(1);     // bind, connect
constexpr uint64_t kScopes = bit(0) | bit(1);  // abstract AF_UNIX names, signals
// Before it a file that may not be written could still be emptied.
constexpr int kLeastLandlock = 3;

// -1 and errno where there is none.
int landlock_version() {
  return static_cast<int>(::syscall(kCreateRuleset, nullptr, 0, kAskVersion));
}

uint64_t files_handled(int version) {
  uint64_t rights = kWriteFile | kChangeNames;
  if (version >= 2) rights |= kRefer;
  if (version >= 3) rights |= kTruncate;
  if (version >= 5) rights |= kDeviceIo;
  return rights;
}

void allow_beneath(int rules, const std::string& path, uint64_t rights) {
  const UniqueFd place = open_file(path, O_PATH);
  const BeneathAttributes beneath{.allowed = rights, .parent = place.get()};
  if (::syscall(kAddRule, rules, kBeneath, &beneath, 0) != 0) {
    throw Error::from_errno(cat("allow writing below ", printable(path)));
  }
}

UniqueFd make_rules(const Sandbox::Plan& plan) {
  const int version = landlock_version();
  if (version < 1) return UniqueFd();
  const uint64_t files = files_handled(version);
  const RulesetAttributes attributes{.handled_files = files,
                                     .handled_net = version >= 4 ? kTcp : 0,
                                     .scoped = version >= 6 ? kScopes : 0};
  // Close-on-exec by itself.
  UniqueFd rules(static_cast<int>(::syscall(kCreateRuleset, &attributes, sizeof attributes, 0)));
  if (!rules && errno == E2BIG) {
    rules = UniqueFd(static_cast<int>(
        ::syscall(kCreateRuleset, &attributes, sizeof attributes.handled_files, 0)));
  }
  if (!rules) throw Error::from_errno("make Landlock rules");
  rules = moved_high(std::move(rules));
  allow_beneath(rules.get(), "/dev/null", files & (kWriteFile | kTruncate));
  for (const std::string& directory : plan.may_write) {
    allow_beneath(rules.get(), directory, files & ~(kMakeDevices | kDeviceIo));
  }
  return rules;
}

// seccomp.

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
constexpr uint32_t kArchitecture = 0;
#endif
constexpr uint32_t kX32 = 0x40000000;  // the other calls of x86-64

// What Landlock does not know of: a file's mode, owner, times and attributes; descriptors and
// memory of others; calls that would get around this very filter.
constexpr auto kForbidden = std::to_array<int>({
#ifdef SYS_chmod
    SYS_chmod, SYS_chown, SYS_lchown, SYS_utime, SYS_utimes, SYS_futimesat,
#endif
    SYS_fchmod, SYS_fchmodat, 452 /* fchmodat2 */, SYS_fchown, SYS_fchownat, SYS_utimensat,
    SYS_setxattr, SYS_lsetxattr, SYS_fsetxattr, SYS_removexattr, SYS_lremovexattr, SYS_fremovexattr,
    463 /* setxattrat */, 466 /* removexattrat */, 469 /* file_setattr */, SYS_truncate, SYS_ptrace,
    SYS_process_vm_writev, 438 /* pidfd_getfd */, SYS_bpf, SYS_perf_event_open, SYS_add_key,
    SYS_request_key, SYS_keyctl, SYS_setns, SYS_unshare, SYS_mount, SYS_umount2, SYS_init_module,
    SYS_finit_module, SYS_kexec_load,
    // Urgency of others, and their memory and messages by System V's and POSIX' names.
    SYS_setpriority, SYS_ioprio_set, SYS_shmget, SYS_shmat, SYS_shmctl, SYS_semget, SYS_semop,
    SYS_semtimedop, SYS_semctl, SYS_msgget, SYS_msgsnd, SYS_msgrcv, SYS_msgctl, SYS_mq_open,
    SYS_mq_unlink});
// Of others, limits and scheduling are taboo: a process whose limit of descriptors is 0 can look
// after no gate.
constexpr auto kOnlyOneself =
    std::to_array<int>({SYS_prlimit64, SYS_sched_setscheduler, SYS_sched_setparam,
                        SYS_sched_setattr, SYS_sched_setaffinity});
// FS_IOC_… (attributes, verity), the same of XFS, of ext4, and btrfs' own.
constexpr auto kFileIoctls = std::to_array<uint32_t>({0x6600, 0x5800, 0x7600, 0x9400});
// CLONE_NEWTIME would be among the bits of the signal: unshare only knows it, and clone3.
constexpr uint32_t kNewNamespaces = 0x7e020000;
constexpr auto kRings = std::to_array<int>({425, 426, 427});  // io_uring makes sockets, too

constexpr uint32_t kNumber = offsetof(seccomp_data, nr);
constexpr uint32_t kArch = offsetof(seccomp_data, arch);
constexpr uint32_t argument(unsigned index) {
  return static_cast<uint32_t>(offsetof(seccomp_data, args)) + 8 * index;  // its low half
}

class Filter {
 public:
  void load(uint32_t offset) { add(BPF_LD | BPF_W | BPF_ABS, offset); }
  void allow() { add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW); }
  void refuse(int error) { add(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<uint32_t>(error)); }
  void if_equal_skip(uint32_t value, uint8_t count) {
    add(BPF_JMP | BPF_JEQ | BPF_K, value, count, 0);
  }
  void refuse_calls_from(uint32_t number, int error) {
    add(BPF_JMP | BPF_JGE | BPF_K, number, 0, 1);
    refuse(error);
  }
  // Goes over the next `count` steps unless what was loaded is `value`.
  void unless_equal_skip(uint32_t value, uint8_t count) {
    add(BPF_JMP | BPF_JEQ | BPF_K, value, 0, count);
  }
  void refuse_call(int number, int error) {
    unless_equal_skip(static_cast<uint32_t>(number), 1);
    refuse(error);
  }
  // Refuses the call unless (or if) its argument is `value`; the argument stays loaded.
  void refuse_call_unless(int number, unsigned index, uint32_t value, int error) {
    unless_equal_skip(static_cast<uint32_t>(number), 4);
    load(argument(index));
    unless_equal_skip(value, 1);
    allow();
    refuse(error);
  }
  void refuse_call_if(int number, unsigned index, uint32_t value, int error) {
    refuse_call_if_masked(number, index, ~uint32_t{0}, value, error);
  }
  void refuse_call_if_masked(int number, unsigned index, uint32_t mask, uint32_t value, int error) {
    unless_equal_skip(static_cast<uint32_t>(number), 5);
    load(argument(index));
    add(BPF_ALU | BPF_AND | BPF_K, mask);
    unless_equal_skip(value, 1);
    refuse(error);
    load(kNumber);
  }
  void refuse_call_with_bits(int number, unsigned index, uint32_t bits, int error) {
    unless_equal_skip(static_cast<uint32_t>(number), 4);
    load(argument(index));
    add(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1);
    refuse(error);
    load(kNumber);
  }
  // Sockets of this family, streams only.
  void allow_streams(int number, uint32_t family, int error) {
    constexpr uint32_t kType = 0xf;  // SOCK_CLOEXEC and SOCK_NONBLOCK are above
    unless_equal_skip(static_cast<uint32_t>(number), 7);
    load(argument(0));
    unless_equal_skip(family, 4);
    load(argument(1));
    add(BPF_ALU | BPF_AND | BPF_K, kType);
    unless_equal_skip(SOCK_STREAM, 1);
    allow();
    refuse(error);
  }
  std::vector<sock_filter> take() { return std::move(steps_); }

 private:
  void add(uint32_t code, uint32_t value, uint8_t if_true = 0, uint8_t if_false = 0) {
    steps_.push_back({static_cast<uint16_t>(code), if_true, if_false, value});
  }

  std::vector<sock_filter> steps_;
};

std::vector<sock_filter> make_filter(const Sandbox::Plan& plan) {
  if (kArchitecture == 0) return {};
  Filter filter;
  filter.load(kArch);
  filter.if_equal_skip(kArchitecture, 1);
  filter.refuse(EPERM);  // their numbers mean other calls
  filter.load(kNumber);
  filter.refuse_calls_from(kX32, EPERM);
  for (const int call : kForbidden) filter.refuse_call(call, EPERM);
  for (const int call : kRings) filter.refuse_call(call, ENOSYS);
  for (const int call : kOnlyOneself) filter.refuse_call_unless(call, 0, 0, EPERM);
  filter.refuse_call(SYS_clone3, ENOSYS);  // its flags lie in memory; libc takes clone then
  filter.refuse_call_with_bits(SYS_clone, 0, kNewNamespaces, EPERM);
  // A datagram socket of a pair can still be sent from to any name.
  filter.allow_streams(SYS_socketpair, AF_UNIX, EACCES);
  if (plan.sockets == Sockets::local) {
    filter.allow_streams(SYS_socket, AF_UNIX, EACCES);
  } else {
    filter.refuse_call(SYS_socket, EACCES);
  }
  filter.refuse_call_if(SYS_ioctl, 1, TIOCSTI, EPERM);    // types into the terminal,
  filter.refuse_call_if(SYS_ioctl, 1, TIOCLINUX, EPERM);  // as a virtual one's paste does
  for (const uint32_t kind : kFileIoctls)
    filter.refuse_call_if_masked(SYS_ioctl, 1, 0xff00, kind, EPERM);
  filter.allow();
  return filter.take();
}

// Root's rights go, less the one to read what is not his own: reading is not what this is about.
// What is not in the permitted set now no exec gives back (no_new_privs).
bool drop_capabilities() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0) return false;
  const uint32_t kept = 1U << CAP_DAC_READ_SEARCH;
  sets[0].effective &= kept;
  sets[0].permitted &= kept;
  sets[0].inheritable = 0;
  sets[1] = {};
  return ::syscall(SYS_capset, &header, sets.data()) == 0;
}

}  // namespace

std::optional<std::string> sandbox_gap() {
  const int version = landlock_version();
  if (version < 0) return cat("Landlock: ", Error::from_errno("x").code().message());
  if (version < kLeastLandlock) {
    return cat("Landlock: this kernel has version ", version, ", and version ", kLeastLandlock,
               " (Linux 6.2) is needed");
  }
  if (kArchitecture == 0) return "seccomp: no filter is known for this architecture";
  uint32_t action = SECCOMP_RET_ERRNO;
  if (::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) != 0) {
    return cat("seccomp: ", Error::from_errno("x").code().message());
  }
  return std::nullopt;
}

Sandbox::Sandbox(const Plan& plan) : rules_(make_rules(plan)), filter_(make_filter(plan)) {}

const char* Sandbox::enter() const {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return "forbid new privileges";
  if (rules_ && ::syscall(kRestrictSelf, rules_.get(), 0) != 0) return "enter the sandbox";
  if (!drop_capabilities()) return "drop capabilities";
  if (filter_.empty()) return nullptr;
  const sock_fprog program{.len = static_cast<unsigned short>(filter_.size()),
                           .filter = const_cast<sock_filter*>(filter_.data())};
  const bool done = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
  // No seccomp at all: whoever insists on it has asked sandbox_gap() before.
  return done || errno == ENOSYS || errno == EINVAL ? nullptr : "enter the system call filter";
}

}  // namespace penstock::sys
