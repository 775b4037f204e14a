#include "sys/spawn.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string_view>

#include "base/error.h"
#include "sys/program.h"
#include "sys/signals.h"

namespace penstock::sys {

namespace {

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> out;
  out.reserve(words.size() + 1);
  for (const std::string& word : words) out.push_back(const_cast<char*>(word.c_str()));
  out.push_back(nullptr);
  return out;
}

// All that the child needs, made before the fork.
struct Prepared {
  const StagePlan& plan;
  pid_t parent;
  std::vector<std::string> programs;
  std::vector<char*> argv;
  std::vector<char*> env;
};

// HAZARD: runs between vfork and exec, in the parent's memory and on its stack. System calls only:
// no allocation, no exception, no destructor, nothing that locks. What it writes to `outcome` the
// parent sees.
[[noreturn]] void become_stage(const Prepared& prepared, volatile int& error,
                               const char* volatile& step) {
  auto fail = [&](const char* what) {
    error = errno;
    step = what;
    ::_exit(127);
  };
  const StagePlan& plan = prepared.plan;

  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) fail("set the death signal");
  if (::getppid() != prepared.parent) ::_exit(127);  // it died before the line above
  if (plan.group == StagePlan::Group::join && ::setpgid(0, plan.group_id) != 0) {
    fail("enter the process group");
  }
  if (plan.cgroup_procs >= 0 && ::write(plan.cgroup_procs, "0", 1) != 1) fail("enter the cgroup");

  // Our descriptors are at 10 and above, so no dup2 below can hit one that is still needed.
  for (const auto& [child_fd, our_fd] : plan.fds) {
    if (::dup2(our_fd, child_fd) < 0) fail("place a descriptor");
  }
  for (const StagePlan::Redirect& redirect : plan.redirects) {
    if (redirect.path.empty()) {
      if (::dup2(redirect.from_fd, redirect.fd) < 0) fail("copy a descriptor");
      continue;
    }
    // O_NONBLOCK: the opening of a FIFO must not hang the keeper. (Where one is expected, a shell
    // opens it: see Upstream.)
    const int fd = ::open(redirect.path.c_str(), redirect.flags | O_NONBLOCK | O_NOCTTY, 0666);
    if (fd < 0) fail("open a redirection");
    if (::fcntl(fd, F_SETFL, redirect.flags & O_APPEND) != 0) fail("open a redirection");
    if (fd != redirect.fd) {
      if (::dup2(fd, redirect.fd) < 0) fail("place a redirection");
      ::close(fd);
    }
  }
  if (plan.close_other_fds) {
    // Marked, not closed, so that a failing exec can still be told from.
    ::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
    for (const auto& [child_fd, our_fd] : plan.fds) {
      if (child_fd >= 3) ::fcntl(child_fd, F_SETFD, 0);
    }
    for (const StagePlan::Redirect& redirect : plan.redirects) {
      if (redirect.fd >= 3) ::fcntl(redirect.fd, F_SETFD, 0);
    }
  }

  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  ::sigaction(SIGPIPE, &action, nullptr);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);

  if (plan.sandbox != nullptr) {
    if (const char* failed = plan.sandbox->enter()) fail(failed);
  }

  int reason = ENOENT;
  for (const std::string& program : prepared.programs) {
    ::execve(program.c_str(), prepared.argv.data(), prepared.env.data());
    // As execvp(3): a directory that may not be searched does not hide a later one, but is
    // remembered.
    if (errno == ENOENT || errno == ENOTDIR) continue;
    reason = errno;
    if (errno != EACCES) break;
  }
  errno = reason;
  fail("execute");
  ::_exit(127);
}

}  // namespace

SpawnOutcome spawn_stage(const StagePlan& plan) {
  const Prepared prepared{.plan = plan,
                          .parent = ::getpid(),
                          .programs = program_places(plan.argv.at(0), plan.path),
                          .argv = pointers(plan.argv),
                          .env = pointers(plan.env)};
  volatile int error = 0;
  const char* volatile step = "";
  // posix_spawn cannot set a death signal; see the hazard above.
  const pid_t pid = ::vfork();  // NOLINT(bugprone-unsafe-functions): as above
  if (pid == 0) become_stage(prepared, error, step);
  if (pid < 0) return {.error = errno, .step = "fork"};
  if (error != 0) {
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return {.error = error, .step = step};
  }
  return {.pid = pid};
}

bool spawn_helper(const std::vector<std::string>& argv) {
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t set;
  sigemptyset(&set);
  posix_spawnattr_setsigmask(&attributes, &set);
  sigaddset(&set, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &set);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  const std::vector<char*> words = pointers(argv);
  pid_t pid = 0;
  const int error =
      ::posix_spawnp(&pid, words.front(), nullptr, &attributes, words.data(), environ);
  posix_spawnattr_destroy(&attributes);
  return error == 0;
}

pid_t spawn_self(const std::vector<std::string>& argv, const std::vector<int>& kept_fds) {
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // What is ignored for this process only must not reach the jobs' processes.
  const sigset_t defaults = signals_ignored_for_us();
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  // dup2 of a descriptor onto itself clears close-on-exec, in the child only.
  for (int fd : kept_fds) posix_spawn_file_actions_adddup2(&actions, fd, fd);
  const std::vector<char*> words = pointers(argv);
  pid_t pid = 0;
  const int error =
      ::posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) throw Error::from_errno("start the keeper (/proc/self/exe)", error);
  return pid;
}

}  // namespace penstock::sys
