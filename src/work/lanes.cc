#include "work/lanes.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <new>
#include <set>
#include <span>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "sys/event_loop.h"
#include "sys/process.h"
#include "sys/signals.h"
#include "work/interruption.h"
#include "work/line_prefixer.h"
#include "work/progress.h"
#include "work/run_failure.h"

namespace penstock::work {

namespace {

// Shared with the lanes' processes; gone with the last of them.
class SharedCounts {
 public:
  explicit SharedCounts(size_t size) : size_(size) {
    void* memory = ::mmap(nullptr, size_ * sizeof(LaneCounts), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw Error::from_errno("make memory for the lanes");
    counts_ = static_cast<LaneCounts*>(memory);
    for (size_t i = 0; i < size_; ++i) new (counts_ + i) LaneCounts;
  }
  ~SharedCounts() { ::munmap(counts_, size_ * sizeof(LaneCounts)); }
  SharedCounts(const SharedCounts&) = delete;
  SharedCounts& operator=(const SharedCounts&) = delete;
  LaneCounts& operator[](size_t at) { return std::span(counts_, size_)[at]; }

 private:
  size_t size_;
  LaneCounts* counts_ = nullptr;
};

struct Pipe {  // both ends close-on-exec
  sys::UniqueFd read;
  sys::UniqueFd write;
};

Pipe make_pipe() {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) throw Error::from_errno("make a pipe");
  return {.read = sys::UniqueFd(ends[0]), .write = sys::UniqueFd(ends[1])};
}

std::optional<std::pair<dev_t, ino_t>> place_of(const std::string& queue) {
  struct stat status {};
  if (::stat(queue.c_str(), &status) != 0) return std::nullopt;
  return std::pair(status.st_dev, status.st_ino);
}

// What it has of a queue need not be in order: then its run says so. Where nobody can look, neither
// may be told that there is nothing.
bool looks_like_queue(const std::filesystem::path& directory) {
  const auto is_there = [&](const char* name) {
    struct stat status {};
    return ::lstat((directory / name).c_str(), &status) == 0 ||
           (errno != ENOENT && errno != ENOTDIR);
  };
  return directory.filename() != "lost+found" && (is_there("jobs") || is_there("nextseq"));
}

// Keeps a descriptor free for what must not fail.
sys::UniqueFd reserve_descriptor() {
  sys::UniqueFd reserved(::eventfd(0, EFD_CLOEXEC));
  if (!reserved) throw Error::from_errno("make an eventfd");
  return reserved;
}

class Lanes {
 public:
  Lanes(const std::vector<std::string>& queues, const LaneSettings& settings,
        const std::function<int(const LaneTurn&)>& drain)
      : settings_(settings),
        drain_(drain),
        counts_(settings.lanes),
        lanes_(settings.lanes),
        interruption_(loop_),
        progress_(loop_, "queues") {
    for (const std::string& dir : queues) {
      waiting_.push_back(queues_.size());
      queues_.push_back({.dir = dir});
    }
  }

  LanesEnd run() {
    interruption_.tell_each([this](int signal) { pass_on(signal); });
    begin_turns();
    loop_.run_until([this] { return is_over(); });
    for (const auto& output : outputs_) output->finish();
    LanesEnd end{.interrupted_by = interruption_.signal()};
    const auto failed =
        std::ranges::find_if(queues_, [](const Queue& queue) { return queue.status != 0; });
    if (failed != queues_.end()) end.status = failed->status;
    return end;
  }

 private:
  struct Queue {
    std::string dir;
    uint64_t done = 0;
    int status = 0;
  };
  struct Lane {
    size_t queue = 0;
    pid_t pid = 0;  // 0: free
    sys::UniqueFd pidfd;
    std::optional<sys::Watch> end;
  };

  bool is_idle() const {
    return std::ranges::all_of(lanes_, [](const Lane& lane) { return lane.pid == 0; });
  }
  bool is_over() const { return is_idle() && (waiting_.empty() || interruption_.has_come()); }

  void begin_turns() {
    for (size_t at = 0; at < lanes_.size(); ++at) {
      if (waiting_.empty() || interruption_.has_come_by_now()) break;
      if (lanes_[at].pid != 0) continue;
      try {
        begin_turn(at);
      } catch (const Error&) {
        if (is_idle()) throw;
        break;  // once another one has ended there may be room
      }
    }
    show_progress();
  }

  void begin_turn(size_t at) {
    Lane& lane = lanes_[at];
    const size_t number = waiting_.front();
    const std::string& dir = queues_[number].dir;
    const auto free = std::ranges::count(lanes_, 0, &Lane::pid);
    const bool others_wait = std::cmp_greater(waiting_.size(), free);
    Pipe out;
    Pipe err;
    if (settings_.prefix_output) {
      out = make_pipe();
      err = make_pipe();
    }
    sys::UniqueFd reserved = reserve_descriptor();
    std::fflush(nullptr);
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) throw Error::from_errno(cat("start a process for ", printable(dir)));
    if (pid == 0) {
      be_lane(parent, out, err,
              {.queue = dir,
               .slice = others_wait ? std::optional(settings_.slice) : std::nullopt,
               .done = queues_[number].done,
               .counts = counts_[at]});
    }
    reserved.reset();
    try {
      lane.pidfd = std::move(sys::open_pidfd(pid).value());
      lane.end.emplace(loop_, lane.pidfd.get(), EPOLLIN, [this, at](uint32_t) { end_turn(at); });
    } catch (const std::exception&) {
      // It has hardly begun; whatever it runs by now is ended by its keeper.
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
      throw Error(cat("cannot watch over a process for ", printable(dir)));
    }
    waiting_.pop_front();
    lane.queue = number;
    lane.pid = pid;
    if (settings_.prefix_output) {
      read_lines(std::move(out.read), STDOUT_FILENO, dir);
      read_lines(std::move(err.read), STDERR_FILENO, dir);
    }
  }

  // HAZARD: a copy of everything above. It must not touch what it shares with the original: the
  // epoll behind the loop, on which it would unsubscribe the original's watches. So nothing is
  // destroyed here, and _exit() ends it.
  [[noreturn]] void be_lane(pid_t parent, const Pipe& out, const Pipe& err,
                            const LaneTurn& turn) const {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    // Until it takes signals itself they end it, for instance while it waits for a lock.
    sys::unblock_signals({SIGHUP, SIGINT, SIGQUIT, SIGTERM});
    if (::getppid() != parent) ::raise(SIGTERM);  // it had died before we asked
    // Another reader of the others' lines would keep SIGPIPE from them, once the original is gone.
    for (const auto& output : outputs_) output->close_copy();
    for (const Lane& lane : lanes_) {
      if (lane.pidfd) ::close(lane.pidfd.get());
    }
    if (settings_.prefix_output) {
      ::dup2(out.write.get(), STDOUT_FILENO);
      ::dup2(err.write.get(), STDERR_FILENO);
      for (const Pipe* pipe : {&out, &err}) {
        ::close(pipe->read.get());
        ::close(pipe->write.get());
      }
    } else {
      Log::set_prefix(cat(Log::prefix(), ": ", printable(turn.queue)));
    }
    Log::set_before_line(nullptr);
    int status = 1;
    try {
      status = drain_(turn);
    } catch (const std::exception& error) {
      Log::error(error.what());
    }
    std::fflush(nullptr);
    ::_exit(status);
  }

  void read_lines(sys::UniqueFd from, int to, const std::string& dir) {
    std::erase_if(outputs_, [](const auto& output) { return output->is_at_end(); });
    outputs_.push_back(
        std::make_unique<LinePrefixer>(loop_, std::move(from), to, cat(printable(dir), ": "),
                                       [this] { return !interruption_.has_come_by_now(); }));
  }

  void end_turn(size_t at) {
    Lane& lane = lanes_[at];
    const auto reaped = sys::reap(lane.pid);
    if (!reaped) return;
    lane.end.reset();
    lane.pidfd.reset();
    lane.pid = 0;
    Queue& queue = queues_[lane.queue];
    LaneCounts& counts = counts_[at];
    queue.done += counts.done;
    bytes_of_ended_ += counts.bytes.exchange(0);
    counts.done = 0;
    const bool goes_on = counts.more.exchange(false) && reaped->status.success();
    if (goes_on) {
      waiting_.push_back(lane.queue);
    } else {
      ++ended_;
      queue.status = reaped->status.shell_status();
      if (reaped->status.was_killed() && !interruption_.has_come_by_now()) {
        Log::error(cat("the run of ", printable(queue.dir), " ", reaped->status.sentence()));
        queue.status = 1;
      }
    }
    begin_turns();
  }

  void pass_on(int signal) const {
    for (const Lane& lane : lanes_) {
      if (lane.pid != 0) sys::send_signal(lane.pidfd.get(), signal);
    }
  }

  void show_progress() {
    std::string names;
    for (const Lane& lane : lanes_) {
      if (lane.pid == 0) continue;
      names += cat(names.empty() ? "" : ", ", printable(queues_[lane.queue].dir));
    }
    progress_.set_jobs(ended_, queues_.size());
    progress_.job_started(names, [this] {
      uint64_t bytes = bytes_of_ended_;
      for (size_t at = 0; at < lanes_.size(); ++at) bytes += counts_[at].bytes;
      return bytes;
    });
  }

  const LaneSettings& settings_;
  const std::function<int(const LaneTurn&)>& drain_;
  std::vector<Queue> queues_;
  std::deque<size_t> waiting_;
  SharedCounts counts_;
  size_t ended_ = 0;
  uint64_t bytes_of_ended_ = 0;
  sys::EventLoop loop_;
  std::vector<Lane> lanes_;
  std::vector<std::unique_ptr<LinePrefixer>> outputs_;
  Interruption interruption_;
  Progress progress_;
};

}  // namespace

std::vector<std::string> queues_below(const std::string& dir) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator each(dir, error), end; !error && each != end;
       each.increment(error)) {
    const std::string name = each->path().filename().string();
    if (name.front() != '.' && looks_like_queue(each->path())) names.push_back(name);
  }
  if (error) {
    throw RunFailure(error.value() == ENOENT ? FailureKind::no_queue : FailureKind::io,
                     cat("cannot read ", printable(dir), ": ", error.message()));
  }
  std::ranges::sort(names);
  std::vector<std::string> found;
  std::set<std::pair<dev_t, ino_t>> known;
  for (const std::string& name : names) {
    std::string queue = cat(dir, dir.ends_with('/') ? "" : "/", name);
    const auto place = place_of(queue);
    if (!place || known.insert(*place).second) found.push_back(std::move(queue));
  }
  return found;
}

std::optional<std::pair<std::string, std::string>> same_queue(
    const std::vector<std::string>& queues) {
  std::map<std::pair<dev_t, ino_t>, std::string> known;
  for (const std::string& queue : queues) {
    const auto place = place_of(queue);
    if (!place) continue;
    const auto [first, is_new] = known.try_emplace(*place, queue);
    if (!is_new) return std::pair(queue, first->second);
  }
  return std::nullopt;
}

LanesEnd drain_in_lanes(const std::vector<std::string>& queues, const LaneSettings& settings,
                        const std::function<int(const LaneTurn&)>& drain) {
  return Lanes(queues, settings, drain).run();
}

}  // namespace penstock::work
