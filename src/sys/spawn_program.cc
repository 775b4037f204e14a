#include "sys/spawn_program.h"

#include <spawn.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>

#include "base/error.h"
#include "base/text.h"
#include "sys/files.h"
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

class FileActions {
 public:
  explicit FileActions(const std::vector<std::pair<int, int>>& fds) {
    if (const int error = posix_spawn_file_actions_init(&actions_); error != 0) {
      throw Error::from_errno("prepare a process", error);
    }
    int last = STDERR_FILENO;
    for (const auto& [child_fd, our_fd] : fds) {
      assert(our_fd >= kLowestFd && child_fd < kLowestFd);
      check(posix_spawn_file_actions_adddup2(&actions_, our_fd, child_fd));
      last = std::max(last, child_fd);
    }
    for (int fd = STDERR_FILENO + 1; fd <= last; ++fd) {
      const bool is_planned = std::ranges::find(fds, fd, &std::pair<int, int>::first) != fds.end();
      if (!is_planned) check(posix_spawn_file_actions_addclose(&actions_, fd));
    }
    check(posix_spawn_file_actions_addclosefrom_np(&actions_, last + 1));
  }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }

  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  void check(int error) {
    if (error == 0) return;
    posix_spawn_file_actions_destroy(&actions_);
    throw Error::from_errno("prepare a process", error);
  }
  posix_spawn_file_actions_t actions_{};
};

class Attributes {
 public:
  Attributes() {
    if (const int error = posix_spawnattr_init(&attributes_); error != 0) {
      throw Error::from_errno("prepare a process", error);
    }
    const sigset_t none = signal_set({});
    const sigset_t defaults = signal_set({SIGPIPE, SIGCHLD});
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &defaults);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  ~Attributes() { posix_spawnattr_destroy(&attributes_); }

  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_{};
};

}  // namespace

pid_t spawn_program(const ProgramPlan& plan) {
  const FileActions actions(plan.fds);
  const Attributes attributes;
  const std::vector<char*> words = pointers(plan.argv);
  std::vector<char*> variables;
  if (plan.env) variables = pointers(*plan.env);
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, plan.path.c_str(), actions.get(), attributes.get(),
                                  words.data(), plan.env ? variables.data() : environ);
  if (error != 0) throw Error::from_errno(cat("start ", printable(plan.path)), error);
  return pid;
}

}  // namespace penstock::sys
