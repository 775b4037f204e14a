#include "work/follow.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "sys/event_loop.h"
#include "sys/exit_status.h"
#include "work/interruption.h"

namespace penstock::work {

namespace {

using namespace std::chrono_literals;
using Milliseconds = std::chrono::milliseconds;

// Somebody else has the lock, but not for long as a rule.
constexpr Milliseconds kBusyPause = 2s;

// News of a queue. What comes while nobody waits is kept by the kernel.
class Arrivals {
 public:
  explicit Arrivals(const spool::Queue& queue)
      : queue_(queue.dir()),
        jobs_(queue.jobs_path()),
        sequence_(queue.sequence_path()),
        inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
    add_watches();
  }

  // Until something has come, the next number is not `left` any more, `at_most` is over, or a
  // signal comes, which is returned.
  std::optional<int> wait(Milliseconds at_most, std::optional<uint64_t> left) {
    sys::EventLoop loop;
    Interruption interruption(loop);
    bool is_over = false;
    sys::Timer timer(loop, [&] { is_over = true; });
    timer.set(at_most);
    // Anew each time: they may be other directories by now.
    if (add_watches() == Watched::another) is_over = true;
    if (watch_ < 0 && !std::exchange(is_told_, true)) {
      Log::warn(cat("the kernel does not tell of new files in ", printable(jobs_), " (",
                    std::strerror(why_not_), "): they are only seen by looking again"));
    }
    // For queue-set-next. Other runs open it, too, which is no news.
    const int number = add_watch(sequence_, IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF);
    const auto has_other_number = [&] { return left && number_now() != left; };
    if (has_other_number()) is_over = true;
    std::optional<sys::Watch> watch;
    if (inotify_) {
      watch.emplace(loop, inotify_.get(), EPOLLIN, [&](uint32_t) {
        if (take_news() || has_other_number()) is_over = true;
      });
    }
    loop.run_until([&] { return is_over || interruption.has_come(); });
    if (number >= 0) ::inotify_rm_watch(inotify_.get(), number);
    if (inotify_) take_news();  // what comes from here on is found by the next run, or kept
    return interruption.signal();
  }

 private:
  enum class Watched { as_before, another };
  Watched add_watches() {
    // Nothing that we do to a job file ourselves is one of these.
    constexpr uint32_t kArrives = IN_MOVED_TO | IN_CLOSE_WRITE | IN_CREATE | IN_ONLYDIR;
    const int watch = add_watch(jobs_, kArrives);
    why_not_ = errno;
    add_watch(queue_, IN_MOVED_TO | IN_CREATE | IN_ONLYDIR);  // another jobs directory
    const int before = std::exchange(watch_, watch);
    if (before == watch) return Watched::as_before;
    if (before >= 0) ::inotify_rm_watch(inotify_.get(), before);
    return watch >= 0 ? Watched::another : Watched::as_before;
  }

  int add_watch(const std::string& path, uint32_t events) const {
    return inotify_ ? ::inotify_add_watch(inotify_.get(), path.c_str(), events) : -1;
  }

  std::optional<uint64_t> number_now() const {
    try {
      return spool::read_sequence_unlocked(sequence_);
    } catch (const Error&) {
      return std::nullopt;  // the next run says more
    }
  }

  // Whether a job file is among it, or a directory of them, or there was too much: no file that is
  // still written under another name.
  bool take_news() const {
    alignas(inotify_event) std::array<char, 4096> buffer{};
    bool is_good = false;
    ssize_t count = 0;
    while ((count = ::read(inotify_.get(), buffer.data(), buffer.size())) > 0) {
      for (size_t at = 0; at + sizeof(inotify_event) <= static_cast<size_t>(count);) {
        inotify_event event{};
        std::memcpy(&event, &buffer.at(at), sizeof event);
        if (event.len > 0) is_good = is_good || is_good_name(&buffer.at(at + sizeof event));
        if ((event.mask & IN_Q_OVERFLOW) != 0) is_good = true;
        at += sizeof event + event.len;
      }
    }
    return is_good;
  }

  static bool is_good_name(std::string_view name) {
    return spool::is_job_name(name) || name == "jobs";
  }

  std::string queue_;
  std::string jobs_;
  std::string sequence_;
  sys::UniqueFd inotify_;
  int watch_ = -1;  // of the jobs
  int why_not_ = 0;
  bool is_told_ = false;
};

Milliseconds until(const Timestamp& due) {
  const Timestamp now = Timestamp::now();
  const int64_t ms = (due.seconds - now.seconds) * 1000 +
                     (int64_t{due.nanoseconds} - int64_t{now.nanoseconds}) / 1'000'000 + 1;
  return Milliseconds(std::max<int64_t>(ms, 1));
}

// How long to wait before a queue whose run has failed is tried again; nothing if it is not.
std::optional<Milliseconds> pause_after(const RunFailure& failure, const DrainSettings& settings) {
  if (failure.kind() == FailureKind::busy) return kBusyPause;
  const bool is_about_job =
      failure.kind() == FailureKind::job_failed || failure.kind() == FailureKind::bad_data;
  if (!is_about_job || !settings.retry_delay) return std::nullopt;
  return std::max<Milliseconds>(settings.retry_delay->least, 1s);
}

}  // namespace

DrainEnd follow(DrainSettings settings, std::chrono::seconds rescan) {
  Told told;
  settings.told = &told;
  Arrivals arrivals{spool::Queue(settings.queue_dir)};
  for (;;) {
    Milliseconds pause = rescan;
    std::optional<uint64_t> left;
    std::optional<int> signal;
    std::optional<Drain> drain(std::in_place, settings);
    try {
      const DrainEnd end = drain->run();
      if (end.interrupted_by) return end;
      if (end.due) pause = std::min(pause, until(*end.due));
      left = end.next;
    } catch (const RunFailure& failure) {
      const auto after = pause_after(failure, settings);
      if (!after) throw;
      if (told.is_news(failure.message())) Log::error(failure.message());
      signal = drain->signal();
      pause = std::min(pause, *after);
    }
    drain.reset();  // the lock, and the signals, are free again
    if (!signal) signal = arrivals.wait(pause, left);
    if (signal) {
      Log::info(cat("ended by ", sys::signal_name(*signal)));
      return {.interrupted_by = signal};
    }
  }
}

}  // namespace penstock::work
