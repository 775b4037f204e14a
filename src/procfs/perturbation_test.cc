// Taking snapshots changes nothing for those who are looked at: strace beside them sees no signal,
// no interrupted call and no short write, and end-of-file and SIGPIPE come when they are due.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <thread>

#include "procfs/testing.h"
#include "sys/files.h"
#include "sys/pipe.h"

namespace penstock::procfs {
namespace {

using Clock = std::chrono::steady_clock;

// Runs `strace cat` between two descriptors; its calls go to the file `log`.
pid_t spawn_traced_cat(int in, int out, const std::string& log) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::dup2(in, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::execlp("strace", "strace", "-f", "-o", log.c_str(), "-e", "trace=read,write,splice", "cat",
           nullptr);
  ::_exit(127);
}

bool has_strace() {
  const pid_t pid = ::fork();
  if (pid == 0) {
    const sys::UniqueFd null = sys::open_dev_null(O_RDWR);
    ::dup2(null.get(), STDOUT_FILENO);
    ::dup2(null.get(), STDERR_FILENO);
    ::execlp("strace", "strace", "-o", "/dev/null", "true", nullptr);
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// Those of `pids` and all their descendants.
std::set<pid_t> family(const Snapshot& table, std::set<pid_t> pids) {
  for (size_t before = 0; before != pids.size();) {
    before = pids.size();
    for (const auto& [pid, process] : table.processes) {
      if (pids.contains(process.stat.parent)) pids.insert(pid);
    }
  }
  return pids;
}

struct Seen {
  size_t writes = 0;
  std::vector<std::string> strange;
};

// "4711 write(1, …, 131072) = 131072"
Seen read_log(const std::string& path) {
  Seen seen;
  std::ifstream log(path);
  for (std::string line; std::getline(log, line);) {
    const bool is_signal = line.find("---") != std::string::npos;
    const bool is_cut = line.find("EINTR") != std::string::npos ||
                        line.find("ERESTART") != std::string::npos ||
                        line.find("EAGAIN") != std::string::npos;
    if (is_signal || is_cut) seen.strange.push_back(line);
    const size_t wrote = line.find(" write(1, ");
    const size_t result = line.rfind(" = ");
    if (wrote == std::string::npos || result == std::string::npos) continue;
    ++seen.writes;
    const size_t comma = line.rfind(", ", result);
    const std::string asked = line.substr(comma + 2, line.find(')', comma) - comma - 2);
    if (asked != line.substr(result + 3)) seen.strange.push_back(line);
  }
  return seen;
}

TEST(Snapshots, AreNotNoticedByABusyPipeline) {
  if (!has_strace()) GTEST_SKIP() << "no strace, or it may not trace";
  constexpr int kSnapshots = 200;
  const testing::RecordedTree folder;  // just for the folder
  const std::string first_log = (folder.root() / "first").string();
  const std::string second_log = (folder.root() / "second").string();
  sys::Pipe in = sys::Pipe::make();
  sys::Pipe middle = sys::Pipe::make();
  const sys::UniqueFd null = sys::open_dev_null(O_WRONLY);
  const pid_t first = spawn_traced_cat(in.read.get(), middle.write.get(), first_log);
  const pid_t second = spawn_traced_cat(middle.read.get(), null.get(), second_log);
  in.read.reset();
  middle.read.reset();
  middle.write.reset();

  std::atomic<bool> enough = false;
  std::jthread feeder([&] {
    const std::string block(1 << 16, 'x');
    while (!enough && ::write(in.write.get(), block.data(), block.size()) > 0) {
    }
    in.write.reset();  // end-of-file goes down the line
  });
  size_t looked_at = 0;
  for (int i = 0; i < kSnapshots; ++i) {
    const Snapshot snapshot = take_snapshot({}, [&](const Snapshot& table) {
      return family(table, {first, second, ::getpid()});
    });
    looked_at = std::max(looked_at, snapshot.pipes.size());
  }
  enough = true;
  for (const pid_t pid : {first, second}) {
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
  }
  EXPECT_GE(looked_at, 2U);
  for (const std::string& log : {first_log, second_log}) {
    const Seen seen = read_log(log);
    EXPECT_GT(seen.writes, 100U);
    EXPECT_EQ(seen.strange, std::vector<std::string>()) << log;
  }
}

// How long after `close_end` a thread that sleeps in `call` hears of it, at worst, while snapshots
// of this process are being taken.
template <typename Call>
std::chrono::microseconds slowest(int rounds, sys::UniqueFd sys::Pipe::*closed, Call call) {
  std::atomic<bool> done = false;
  std::jthread snapshots([&] {
    while (!done) {
      take_snapshot({}, [](const Snapshot&) { return std::set<pid_t>{::getpid()}; });
    }
  });
  Clock::duration worst{};
  for (int round = 0; round < rounds; ++round) {
    sys::Pipe pipe = sys::Pipe::make();
    Clock::time_point heard;
    std::jthread sleeper([&] {
      call(pipe);
      heard = Clock::now();
    });
    // Asleep or not yet: both are good. What counts is that the end goes while probes are made.
    for (int i = 0; i < 100; ++i) std::this_thread::yield();
    (pipe.*closed).reset();
    const auto closing = Clock::now();
    sleeper.join();
    worst = std::max(worst, heard - closing);
  }
  done = true;
  return std::chrono::duration_cast<std::chrono::microseconds>(worst);
}

// What a busy machine takes to wake somebody, many times over; a held end would take for ever.
constexpr std::chrono::seconds kPrompt{2};

TEST(Snapshots, DoNotKeepEndOfFileBack) {
  const auto worst = slowest(300, &sys::Pipe::write, [](const sys::Pipe& pipe) {
    char byte = 0;
    EXPECT_EQ(::read(pipe.read.get(), &byte, 1), 0);
  });
  RecordProperty("worst_us", std::to_string(worst.count()));
  EXPECT_LT(worst, kPrompt);
}

TEST(Snapshots, DoNotKeepABrokenPipeBack) {
  ::signal(SIGPIPE, SIG_IGN);
  const auto worst = slowest(300, &sys::Pipe::read, [](const sys::Pipe& pipe) {
    const std::string block(1 << 16, 'x');
    while (::write(pipe.write.get(), block.data(), block.size()) > 0) {
    }
    EXPECT_EQ(errno, EPIPE);
  });
  RecordProperty("worst_us", std::to_string(worst.count()));
  EXPECT_LT(worst, kPrompt);
}

}  // namespace
}  // namespace penstock::procfs
