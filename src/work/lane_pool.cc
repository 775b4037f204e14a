#include "work/lane_pool.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <new>
#include <span>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "sys/process.h"
#include "sys/signals.h"

namespace penstock::work {

namespace {

// Keeps a descriptor free for what must not fail.
sys::UniqueFd reserve_descriptor() {
  sys::UniqueFd reserved(::eventfd(0, EFD_CLOEXEC));
  if (!reserved) throw Error::from_errno("make an eventfd");
  return reserved;
}

}  // namespace

LanePool::SharedCounts::SharedCounts(size_t size) : size_(size) {
  void* memory = ::mmap(nullptr, size_ * sizeof(LaneCounts), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw Error::from_errno("make memory for the lanes");
  counts_ = static_cast<LaneCounts*>(memory);
  for (size_t i = 0; i < size_; ++i) new (counts_ + i) LaneCounts;
}

LanePool::SharedCounts::~SharedCounts() {
  ::munmap(counts_, size_ * sizeof(LaneCounts));
}

LaneCounts& LanePool::SharedCounts::operator[](size_t at) {
  return std::span(counts_, size_)[at];
}

LanePool::Pipe LanePool::make_pipe() {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) throw Error::from_errno("make a pipe");
  return {.read = sys::UniqueFd(ends[0]), .write = sys::UniqueFd(ends[1])};
}

LanePool::LanePool(sys::EventLoop& loop, Interruption& interruption, const LaneSettings& settings,
                   const Drain& drain, std::function<void(const Ended&)> ended)
    : loop_(loop),
      interruption_(interruption),
      settings_(settings),
      drain_(drain),
      ended_(std::move(ended)),
      counts_(settings.lanes),
      lanes_(settings.lanes) {
  interruption_.tell_each([this](int signal) { pass_on(signal); });
}

size_t LanePool::free() const {
  return static_cast<size_t>(std::ranges::count(lanes_, 0, &Lane::pid));
}

void LanePool::begin(uint64_t queue, const LaneTurn& turn) {
  const auto found = std::ranges::find(lanes_, 0, &Lane::pid);
  const auto at = static_cast<size_t>(found - lanes_.begin());
  Lane& lane = *found;
  LaneCounts& counts = counts_[at];
  counts.done = counts.total = counts.bytes = 0;
  counts.more = counts.others_wait = false;
  counts.followed = {};
  counts.told.count = 0;
  Pipe out;
  Pipe err;
  if (settings_.prefix_output) {
    out = make_pipe();
    err = make_pipe();
    read_lines(std::move(out.read), STDOUT_FILENO, turn.queue);
    read_lines(std::move(err.read), STDERR_FILENO, turn.queue);
  }
  sys::UniqueFd reserved = reserve_descriptor();
  std::fflush(nullptr);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) throw Error::from_errno(cat("start a process for ", printable(turn.queue)));
  if (pid == 0) {
    LaneTurn own = turn;
    own.counts = &counts;
    be_lane(parent, out.write, err.write, own);
  }
  reserved.reset();
  try {
    lane.pidfd = std::move(sys::open_pidfd(pid).value());
    lane.end.emplace(loop_, lane.pidfd.get(), EPOLLIN, [this, at](uint32_t) { end_turn(at); });
  } catch (const std::exception&) {
    // It has hardly begun; whatever it runs by now is ended by its keeper.
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    throw Error(cat("cannot watch over a process for ", printable(turn.queue)));
  }
  lane.queue = queue;
  lane.dir = turn.queue;
  lane.pid = pid;
}

// HAZARD: a copy of everything above. It must not touch what it shares with the original: the epoll
// behind the loop, on which it would unsubscribe the original's watches. So nothing is destroyed
// here, and _exit() ends it.
void LanePool::be_lane(pid_t parent, const sys::UniqueFd& out, const sys::UniqueFd& err,
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
    ::dup2(out.get(), STDOUT_FILENO);
    ::dup2(err.get(), STDERR_FILENO);
    ::close(out.get());
    ::close(err.get());
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

void LanePool::read_lines(sys::UniqueFd from, int to, const std::string& dir) {
  std::erase_if(outputs_, [](const auto& output) { return output->is_at_end(); });
  outputs_.push_back(
      std::make_unique<LinePrefixer>(loop_, std::move(from), to, cat(printable(dir), ": "),
                                     [this] { return !interruption_.has_come_by_now(); }));
}

void LanePool::end_turn(size_t at) {
  Lane& lane = lanes_[at];
  const auto reaped = sys::reap(lane.pid);
  if (!reaped) return;
  lane.end.reset();
  lane.pidfd.reset();
  lane.pid = 0;
  bytes_of_ended_ += counts_[at].bytes.exchange(0);
  const bool was_killed = reaped->status.was_killed() && !interruption_.has_come_by_now();
  if (was_killed)
    Log::error(cat("the run of ", printable(lane.dir), " ", reaped->status.sentence()));
  ended_({.queue = lane.queue,
          .status = reaped->status,
          .was_killed = was_killed,
          .counts = counts_[at]});
}

void LanePool::tell_that_others_wait(bool others_wait) {
  for (size_t at = 0; at < lanes_.size(); ++at) counts_[at].others_wait = others_wait;
}

void LanePool::finish_output() {
  for (const auto& output : outputs_) output->finish();
}

void LanePool::pass_on(int signal) const {
  for (const Lane& lane : lanes_) {
    if (lane.pid != 0) sys::send_signal(lane.pidfd.get(), signal);
  }
}

std::string LanePool::at_work() const {
  std::string names;
  for (const Lane& lane : lanes_) {
    if (lane.pid != 0) names += cat(names.empty() ? "" : ", ", printable(lane.dir));
  }
  return names;
}

uint64_t LanePool::bytes() {
  uint64_t bytes = bytes_of_ended_;
  for (size_t at = 0; at < lanes_.size(); ++at) bytes += counts_[at].bytes;
  return bytes;
}

}  // namespace penstock::work
