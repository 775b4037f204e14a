// The caller's side: starts a helper, gives it the request, waits for the answer.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "lib/request.h"
#include "lib/translate.h"
#include "penstock/pipeline.h"
#include "sys/files.h"
#include "sys/message_socket.h"
#include "sys/process.h"
#include "sys/spawn_program.h"

namespace penstock::api {

namespace {

bool holds_nul(const std::string& text) {
  return text.find('\0') != std::string::npos;
}

void check(const std::vector<Command>& stages, const RunOptions& options) {
  if (stages.empty()) throw Error("a pipeline needs a stage");
  for (size_t i = 0; i < stages.size(); ++i) {
    const std::string stage = cat("stage ", i + 1);
    if (stages[i].empty() || stages[i].front().empty()) throw Error(stage + " has no program");
    if (std::ranges::any_of(stages[i], holds_nul)) {
      throw Error(stage + " has an argument with a NUL byte");
    }
  }
  if (options.environment && std::ranges::any_of(*options.environment, holds_nul)) {
    throw Error("a variable has a NUL byte");
  }
  for (const int status : options.also_ok) {
    constexpr int kMostStatus = 255;
    if (status < 0 || status > kMostStatus) throw Error("also_ok: a status is 0 to 255");
  }
  for (const auto time :
       {options.timeout, options.kill_grace, options.stall_after, options.kill_after}) {
    if (time.count() < 0) throw Error("a time is negative");
  }
}

// The descriptors under their numbers in the helper. A closed one stays closed there.
class Wiring {
 public:
  Wiring(const RunOptions& options, int socket) {
    add(STDIN_FILENO, options.stdin_fd);
    add(STDOUT_FILENO, options.stdout_fd);
    add(STDERR_FILENO, options.stderr_fd);
    plan_.emplace_back(lib::kHelperFd, socket);
  }
  const std::vector<std::pair<int, int>>& plan() const { return plan_; }

 private:
  void add(int role, int fd) {
    if (fd == role && ::fcntl(fd, F_GETFD) < 0) return;
    copies_.push_back(sys::duplicate(fd));
    plan_.emplace_back(role, copies_.back().get());
  }
  std::vector<sys::UniqueFd> copies_;
  std::vector<std::pair<int, int>> plan_;
};

// How the child ended; nothing where somebody else has heard it already.
std::optional<sys::ExitStatus> await(pid_t pid) {
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) != 0) {
    if (errno != EINTR) return std::nullopt;
  }
  return sys::ExitStatus::from_siginfo(info.si_code, info.si_status);
}

}  // namespace

struct Pipeline::Impl {
  std::string program;
  sys::MessageSocket helper;
  pid_t pid = 0;
  bool is_over = false;

  Result wait();
  Result without_answer() const;
};

Helper Helper::program(std::string path) {
  return Helper(std::move(path));
}

Pipeline::Pipeline(const Helper& helper, const std::vector<Command>& stages,
                   const RunOptions& options) {
  lib::translated([&] {
    check(stages, options);
    auto [ours, theirs] = sys::MessageSocket::make_pair();
    // Whole before there is anybody to start: from here on nothing but the start itself can fail.
    const std::string request = lib::Request{.stages = stages, .options = options}.encode();
    ours.send(request);
    impl_ = std::make_unique<Impl>(Impl{.program = helper.path(), .helper = std::move(ours)});
    const Wiring wiring(options, theirs.fd());
    impl_->pid = sys::spawn_program({.path = helper.path(),
                                     .argv = {lib::kHelperName, std::string(lib::version())},
                                     .env = options.environment,
                                     .fds = wiring.plan()});
  });
}

Pipeline::Pipeline(Pipeline&&) noexcept = default;

Pipeline::~Pipeline() {
  if (!impl_ || impl_->is_over) return;
  cancel();
  try {
    wait();
  } catch (const std::exception&) {
    // Whoever drops a pipeline does not ask how it ended; its processes are gone all the same.
  }
}

int Pipeline::descriptor() const {
  return impl_->helper.fd();
}

void Pipeline::cancel() noexcept {
  const int before = errno;
  ::shutdown(impl_->helper.fd(), SHUT_WR);
  errno = before;
}

Result Pipeline::wait() {
  return lib::translated([&] { return impl_->wait(); });
}

Result Pipeline::Impl::wait() {
  if (is_over) throw Error("wait: this pipeline has been waited for");
  const auto message = helper.receive();
  is_over = true;
  if (!message) return without_answer();
  const lib::Answer answer = lib::Answer::decode(message->text);
  // The keeper has an end of the socket, too: nothing of ours is left when this says so. One that
  // has to hold the gate stays.
  while (!answer.result.stuck && helper.receive()) {
  }
  await(pid);
  if (!answer.error.empty()) {
    throw Error(answer.error, std::error_code(answer.error_number, std::generic_category()));
  }
  return answer.result;
}

// Helper and keeper are gone, and so are the stages.
Result Pipeline::Impl::without_answer() const {
  const auto status = await(pid);
  if (status && status->exited_with(lib::kOtherVersion)) {
    throw Error(cat("start ", printable(program), ": it is of another version than this library (",
                    lib::version(), ")"));
  }
  if (status && !status->was_killed()) {
    throw Error(cat("start ", printable(program), ": it is no helper: it ", status->sentence()));
  }
  Result result;
  result.ending = Ending::lost;
  result.sentence = cat("the helper of this run ", status ? status->sentence() : "is gone");
  return result;
}

Result run(const Helper& helper, const std::vector<Command>& stages, const RunOptions& options) {
  return Pipeline(helper, stages, options).wait();
}

}  // namespace penstock::api
