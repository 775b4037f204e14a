// Uses libpenstock as a program would that has a life of its own, and looks what that does to it.
// Built and called by tests/e2e/library.bats; each word of argv[1] is one test, and its output says
// what went wrong. Exit status 0 if nothing did.
#include <dirent.h>
#include <fcntl.h>
#include <penstock/doctor.h>
#include <penstock/pipeline.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace api = penstock::api;

namespace {

bool failed = false;

void expect(bool good, const std::string& what) {
  if (good) return;
  std::cout << "not so: " << what << '\n';
  failed = true;
}

void expect_error(const std::function<void()>& act, const std::string& message) {
  try {
    act();
    expect(false, "throws Error: " + message);
  } catch (const api::Error& error) {
    const std::string text = error.what();
    expect(text.find(message) != std::string::npos, "'" + text + "' holds '" + message + "'");
  }
}

std::set<std::string> entries(const char* path) {
  std::set<std::string> out;
  DIR* directory = opendir(path);
  const std::string own = std::to_string(dirfd(directory));
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name != own) out.insert(entry->d_name);
  }
  closedir(directory);
  return out;
}

void handler(int) {}

// All of the caller's that a library might change.
struct State {
  std::vector<std::string> dispositions;
  sigset_t mask{};
  sigset_t pending{};
  int subreaper = -1;
  std::set<std::string> threads;
  std::set<std::string> descriptors;
  bool has_child = false;

  static State now() {
    State out;
    for (int signal = 1; signal < NSIG; ++signal) {
      struct sigaction action {};
      if (sigaction(signal, nullptr, &action) != 0) continue;
      std::ostringstream line;
      line << signal << ' ' << reinterpret_cast<void*>(action.sa_handler) << ' ' << action.sa_flags;
      out.dispositions.push_back(line.str());
    }
    sigprocmask(SIG_SETMASK, nullptr, &out.mask);
    sigpending(&out.pending);
    prctl(PR_GET_CHILD_SUBREAPER, &out.subreaper);
    out.threads = entries("/proc/self/task");
    out.descriptors = entries("/proc/self/fd");
    out.has_child = waitpid(-1, nullptr, WNOHANG | WUNTRACED) >= 0;
    return out;
  }
};

// A thread that was joined may still be listed, as one that is just ending.
bool become_the_same(const std::set<std::string>& threads) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (entries("/proc/self/task") != threads) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

void expect_same(const State& one, const State& other) {
  expect(one.dispositions == other.dispositions, "signal dispositions are as before");
  expect(std::memcmp(&one.mask, &other.mask, sizeof one.mask) == 0, "the mask is as before");
  expect(std::memcmp(&one.pending, &other.pending, sizeof one.pending) == 0, "no signal is left");
  expect(one.subreaper == other.subreaper, "the subreaper attribute is as before");
  expect(become_the_same(one.threads), "no thread is left");
  expect(one.descriptors == other.descriptors, "no descriptor is left");
  expect(!other.has_child, "no child is left");
}

std::string quoted(const api::Result& result) {
  return " (" + result.sentence + ")";
}

// "NAME:" in /proc/PID/status.
std::string status_of(pid_t pid, const std::string& name) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind(name + ":", 0) == 0) return line.substr(name.size() + 2);
  }
  return "";
}

std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> out;
  for (const std::string& entry : entries("/proc")) {
    const pid_t pid = std::atoi(entry.c_str());
    if (pid > 0 && status_of(pid, "PPid") == std::to_string(parent)) out.push_back(pid);
  }
  return out;
}

// Reaped, or about to be.
bool is_dead(pid_t pid) {
  const std::string state = status_of(pid, "State");
  return state.empty() || state[0] == 'Z' || state[0] == 'X';
}

std::string target_of(const std::string& link) {
  std::string out(64, 0);
  const ssize_t size = readlink(link.c_str(), out.data(), out.size());
  out.resize(size < 0 ? 0 : static_cast<size_t>(size));
  return out;
}

// Waits until a line comes out of `fd`.
std::string line_from(int fd) {
  std::string out;
  char byte = 0;
  while (read(fd, &byte, 1) == 1 && byte != '\n') out += byte;
  return out;
}

// A pipeline that says "ready" on its stdout once all its stages are there, and then never ends; it
// would make `path` at the end of its input.
struct Endless {
  int output[2] = {-1, -1};
  api::RunOptions options;
  std::vector<api::Command> stages;

  explicit Endless(const std::string& path) {
    if (pipe2(output, O_CLOEXEC) != 0) std::abort();
    options.stdout_fd = output[1];
    options.gate = api::Gate::eof;
    const char* script = "read line; echo ready $$; cat >/dev/null; touch \"$1\"";
    stages = {{"sh", "-c", "echo line; exec sleep 1000"}, {"sh", "-c", script, "sh", path}};
  }
  Endless(const Endless&) = delete;
  // Returns the pid of the command.
  pid_t await() {
    close(output[1]);
    const std::string line = line_from(output[0]);
    expect(line.rfind("ready ", 0) == 0, "the pipeline is up: " + line);
    return std::atoi(line.substr(line.find(' ') + 1).c_str());
  }
  ~Endless() { close(output[0]); }
};

bool exists(const std::string& path) {
  return access(path.c_str(), F_OK) == 0;
}

void untouched(const api::Helper& helper, const std::string& path) {
  signal(SIGPIPE, handler);
  signal(SIGCHLD, handler);
  signal(SIGTERM, SIG_IGN);
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigprocmask(SIG_BLOCK, &blocked, nullptr);
  const State before = State::now();
  auto result =
      api::run(helper, {{"yes"}, {"head", "-c", "3000000"}, {"sh", "-c", "cat >$0", path}});
  expect(result.ok, "it succeeded" + quoted(result));
  expect(result.stages.size() == 3 && result.stages[0].signal == SIGPIPE, "yes felt the end");
  expect(result.stages.size() == 3 && result.stages[1].bytes_written == 3000000, "bytes counted");
  expect_same(before, State::now());
  result = api::run(helper, {{"false"}, {"sh", "-c", "cat; touch $0.not", path}});
  expect(!result.ok && result.ending == api::Ending::upstream_failed, "it failed");
  expect(result.sentence == "false exited 1", "it is named" + quoted(result));
  expect(!exists(path + ".not"), "the gate stayed shut");
  expect_same(before, State::now());
  result = api::run(helper, {{"no-such-program-here"}});
  expect(result.ending == api::Ending::cannot_start, "cannot start" + quoted(result));
  expect(!result.stages.empty() && result.stages[0].start_error == ENOENT, "why it cannot");
  expect_same(before, State::now());
  api::diagnose({getpid()}, std::chrono::milliseconds(10));
  expect_same(before, State::now());
}

// What the stages get: three descriptors, and signals as in a shell.
void stages(const api::Helper& helper, const std::string& path) {
  signal(SIGPIPE, SIG_IGN);
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  const int leaky = open("/", O_RDONLY);  // NOLINT: not close-on-exec, on purpose
  const int output = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  api::RunOptions options;
  options.stdout_fd = output;
  options.stdin_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  options.environment = {"PATH=/usr/bin:/bin", "ONLY=this"};
  const auto result =
      api::run(helper,
               {{"sh", "-c",
                 "ls /proc/self/fd | tr '\\n' ' '; env | grep ONLY; "
                 "hex() { sed -n \"s/^$1:.//p\" /proc/self/status; }; "
                 "echo blocked $((0x$(hex SigBlk))) ignored $((0x$(hex SigIgn) & 0x7fffffff))"},
                {"cat"}},
               options);
  expect(result.ok, "it succeeded" + quoted(result));
  std::ifstream file(path);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  // Signals above 31 are the C library's own.
  expect(text == "0 1 2 3 ONLY=this\nblocked 0 ignored 0\n",
         "descriptors (3 is ls's own), environment and signals: " + text);
  close(leaky);
}

void sigchld_ignored(const api::Helper& helper, const std::string&) {
  signal(SIGCHLD, SIG_IGN);
  auto result = api::run(helper, {{"true"}, {"cat"}});
  expect(result.ok, "it succeeded" + quoted(result));
  result = api::run(helper, {{"sh", "-c", "exit 7"}, {"cat"}});
  expect(result.stages.size() == 2 && result.stages[0].exit_code == 7, "the status is known");
}

void cancelled(const api::Helper& helper, const std::string& path) {
  Endless endless(path);
  const State before = State::now();
  {
    api::Pipeline pipeline(helper, endless.stages, endless.options);
    endless.await();
    pollfd waiting{pipeline.descriptor(), POLLIN, 0};
    expect(poll(&waiting, 1, 0) == 0, "it is not over");
    std::thread([&] { pipeline.cancel(); }).join();
    expect(poll(&waiting, 1, 30'000) == 1, "it ends");
    const auto result = pipeline.wait();
    expect(result.ending == api::Ending::cancelled, "cancelled" + quoted(result));
    expect_error([&] { pipeline.wait(); }, "has been waited for");
  }
  expect(!exists(path), "the gate stayed shut");
  Endless dropped(path);
  {
    const api::Pipeline pipeline(helper, dropped.stages, dropped.options);
    dropped.await();
  }
  expect(line_from(dropped.output[0]).empty(), "a dropped one has ended");
  expect(!exists(path), "its gate stayed shut");
  expect(!State::now().has_child && before.threads == State::now().threads, "nothing is left");
}

// Whether that process has an end of the pipe.
bool holds(pid_t pid, int end) {
  const std::string own = target_of("/proc/self/fd/" + std::to_string(end));
  const std::string table = "/proc/" + std::to_string(pid) + "/fd";
  for (const std::string& entry : entries(table.c_str())) {
    if (target_of(table + "/" + entry) == own) return true;
  }
  return false;
}

void interrupted(const api::Helper& helper, const std::string& path) {
  Endless endless(path);
  api::Pipeline pipeline(helper, endless.stages, endless.options);
  const pid_t command = endless.await();
  kill(children_of(getpid()).at(0), SIGINT);
  const auto result = pipeline.wait();
  expect(result.ending == api::Ending::interrupted, "interrupted" + quoted(result));
  expect(is_dead(command) && !exists(path), "the command is gone, the gate stayed shut");
}

void options(const api::Helper& helper, const std::string& path) {
  const std::vector<api::Command> failing{{"sh", "-c", "echo x; exit 3"},
                                          {"sh", "-c", "head -c 1; touch $0", path}};
  api::RunOptions options;
  options.gate = api::Gate::off;
  auto result = api::run(helper, failing, options);
  expect(!result.ok && exists(path), "without a gate it commits" + quoted(result));
  unlink(path.c_str());
  options = {};
  options.verify_before = true;
  result = api::run(helper, failing, options);
  expect(!result.ok && !exists(path), "it was not even started" + quoted(result));
  options.also_ok = {3};
  result = api::run(helper, failing, options);
  expect(result.ok && exists(path), "3 is good, too" + quoted(result));
  options = {};
  options.timeout = std::chrono::milliseconds(200);
  result = api::run(helper, {{"true"}, {"sleep", "1000"}}, options);
  expect(result.ending == api::Ending::timed_out, "timed out" + quoted(result));
  options = {};
  options.stall_after = std::chrono::milliseconds(1000);
  options.kill_after = std::chrono::milliseconds(3000);
  options.on_stall = api::OnStall::kill;
  result = api::run(helper, {{"sleep", "1000"}, {"cat"}}, options);
  expect(result.ending == api::Ending::stalled && !result.stalls.empty(),
         "stalled, and told why" + quoted(result));
}

void helper_killed(const api::Helper& helper, const std::string& path) {
  int leaky[2];
  if (pipe(leaky) != 0) std::abort();  // NOLINT: not close-on-exec, on purpose
  Endless endless(path);
  api::Pipeline pipeline(helper, endless.stages, endless.options);
  const pid_t command = endless.await();
  const std::vector<pid_t> helpers = children_of(getpid());
  expect(helpers.size() == 1 && status_of(helpers[0], "Name") == "penstock-helper", "one helper");
  expect(!holds(helpers.at(0), leaky[1]), "it has no pipe of ours");
  expect(holds(helpers.at(0), endless.output[0]), "but for that which it was given");
  kill(helpers.at(0), SIGKILL);
  const auto result = pipeline.wait();
  expect(result.ending == api::Ending::lost && !result.ok, "it is lost" + quoted(result));
  expect(is_dead(command), "wait() waited for the stages");
  expect(!exists(path), "the gate stayed shut");
}

void keeper_killed(const api::Helper& helper, const std::string& path) {
  Endless endless(path);
  api::Pipeline pipeline(helper, endless.stages, endless.options);
  const pid_t command = endless.await();
  const std::vector<pid_t> helpers = children_of(getpid());
  const std::vector<pid_t> keepers = children_of(helpers.at(0));
  expect(keepers.size() == 1 && status_of(keepers[0], "Name") == "gatekeeper", "one keeper");
  kill(keepers.at(0), SIGKILL);
  const auto result = pipeline.wait();
  expect(result.ending == api::Ending::lost, "it is lost" + quoted(result));
  expect(is_dead(command), "the stages are gone");
  expect(!exists(path), "the gate stayed shut");
}

// Leaves a pipeline alone: the caller of this program sees whether it is ended.
void caller_dies(const api::Helper& helper, const std::string& path) {
  Endless endless(path);
  const api::Pipeline pipeline(helper, endless.stages, endless.options);
  endless.await();
  kill(getpid(), SIGKILL);
}

void refused(const api::Helper& helper, const std::string&) {
  expect_error([&] { api::run(helper, {}); }, "needs a stage");
  expect_error([&] { api::run(helper, {{"cat"}, {}}); }, "stage 2 has no program");
  expect_error([&] { api::run(helper, {{"cat", std::string("a\0b", 3)}}); }, "NUL");
  expect_error([&] { api::run(api::Helper::program("/nowhere/penstock"), {{"true"}}); },
               "start /nowhere/penstock: No such file or directory");
  expect_error([&] { api::run(api::Helper::program("/bin/false"), {{"true"}}); },
               "it is no helper");
  api::RunOptions options;
  options.stdin_fd = 999;
  expect_error([&] { api::run(helper, {{"true"}}, options); }, "Bad file descriptor");
  options = {};
  options.stall_after = std::chrono::milliseconds(-1);
  expect_error([&] { api::run(helper, {{"true"}}, options); }, "negative");
  expect_error([] { api::load("{"); }, "");
  expect_error([] { api::diagnose({1 << 22}, std::chrono::milliseconds(1)); }, "no such process");
}

void several(const api::Helper& helper, const std::string& path) {
  const State before = State::now();
  std::vector<std::thread> threads;
  std::vector<api::Result> results(4);
  for (size_t i = 0; i < results.size(); ++i) {
    threads.emplace_back([&, i] {
      const std::string name = path + std::to_string(i);
      results[i] = api::run(helper, {{"head", "-c", "1000000", "/dev/zero"},
                                     {"sh", "-c", "exit " + std::to_string(i % 2)},
                                     {"sh", "-c", "cat; touch $0", name}});
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < results.size(); ++i) {
    expect(results[i].ok == (i % 2 == 0), "run " + std::to_string(i) + quoted(results[i]));
    expect(exists(path + std::to_string(i)) == (i % 2 == 0), "its command committed, or did not");
  }
  expect_same(before, State::now());
}

// Tells of the process whose pid stands in `path`, then the same from saved text.
void diagnosis(const api::Helper&, const std::string& path) {
  pid_t pid = 0;
  std::ifstream(path) >> pid;
  const auto before = api::Snapshot::take({pid});
  std::this_thread::sleep_for(std::chrono::seconds(2));
  const auto now = before.again();
  expect(now.taken_s() - before.taken_s() >= 2, "the looks are two seconds apart");
  const auto seen = api::diagnose(before, now);
  expect(seen.is_stuck() && !seen.findings.empty(), "it is stuck");
  const auto pair = api::load(api::save(before, now, api::Arguments::redact));
  const auto loaded = api::diagnose(pair.first, pair.second);
  expect(loaded.findings.size() == seen.findings.size(), "the same findings from the file");
  for (size_t i = 0; i < seen.findings.size() && i < loaded.findings.size(); ++i) {
    expect(seen.findings[i].sentence == loaded.findings[i].sentence, "the same sentence");
  }
  expect(api::explain(before, now).find(seen.findings.at(0).rule) != std::string::npos,
         "the words name the rule");
  const auto& first = seen.findings.at(0);
  expect(first.culprit && first.culprit->cmdline, "the culprit and his arguments are told");
  std::cout << first.rule << ' ' << (first.culprit ? first.culprit->pid : 0) << '\n';
}

}  // namespace

// library_probe TEST PATH [PROGRAM]: `PROGRAM` is the helper; without it, this one.
int main(int argc, char** argv) {
  const api::Helper self = api::Helper::in_this_program(argc, argv);
  if (argc < 3) return 2;
  const std::map<std::string, void (*)(const api::Helper&, const std::string&)> tests{
      {"untouched", untouched},
      {"stages", stages},
      {"sigchld_ignored", sigchld_ignored},
      {"cancelled", cancelled},
      {"interrupted", interrupted},
      {"options", options},
      {"helper_killed", helper_killed},
      {"keeper_killed", keeper_killed},
      {"caller_dies", caller_dies},
      {"refused", refused},
      {"several", several},
      {"diagnosis", diagnosis}};
  const auto test = tests.find(argv[1]);
  if (test == tests.end()) return 2;
  try {
    test->second(argc > 3 ? api::Helper::program(argv[3]) : self, argv[2]);
  } catch (const std::exception& error) {
    expect(false, std::string("nothing is thrown: ") + error.what());
  }
  return failed ? 1 : 0;
}
