#include "work/follow.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "sys/event_loop.h"
#include "sys/exit_status.h"
#include "work/arrivals.h"
#include "work/interruption.h"

namespace penstock::work {

namespace {

using namespace std::chrono_literals;
using Milliseconds = std::chrono::milliseconds;

// Somebody else has the lock, but not for long as a rule.
constexpr Milliseconds kBusyPause = 2s;

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

// The time between two runs of one queue.
class Pause {
 public:
  explicit Pause(const std::string& queue_dir) : queue_(queue_dir) {
    arrivals_.watch(kKey, queue_);
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
    if (watch().is_elsewhere) is_over = true;
    const auto has_other_number = [&] { return left && number_now(queue_) != left; };
    if (has_other_number()) is_over = true;
    std::optional<sys::Watch> watched;
    if (arrivals_.fd() >= 0) {
      watched.emplace(loop, arrivals_.fd(), EPOLLIN, [&](uint32_t) {
        bool may_be_elsewhere = false;
        arrivals_.take([&](auto, Arrivals::News news) {
          using enum Arrivals::News;
          if (news == job || news == place) is_over = true;
          if (news == number) may_be_elsewhere = true;
        });
        if (!may_be_elsewhere) return;
        watch();
        if (has_other_number()) is_over = true;
      });
    }
    loop.run_until([&] { return is_over || interruption.has_come(); });
    arrivals_.take([](auto, auto) {});  // what comes from here on is found by the next run, or kept
    return interruption.signal();
  }

 private:
  static constexpr Arrivals::Key kKey = 0;

  Arrivals::Watched watch() {
    const Arrivals::Watched watched = arrivals_.watch(kKey, queue_);
    if (watched.why_not != 0 && !std::exchange(is_told_, true)) {
      Log::warn(cat("the kernel does not tell of new files in ", printable(queue_.jobs_path()),
                    " (", std::strerror(watched.why_not),
                    "): they are only seen by looking again"));
    }
    return watched;
  }

  spool::Queue queue_;
  Arrivals arrivals_;
  bool is_told_ = false;
};

}  // namespace

FollowedRun run_followed(const DrainSettings& settings) {
  Drain drain(settings);
  FollowedRun run;
  try {
    const DrainEnd end = drain.run();
    run = {.more = end.more, .signal = end.interrupted_by, .cut_short = end.cut_short};
    if (end.due) run.again = until(*end.due);
  } catch (const RunFailure& failure) {
    run = {.signal = drain.signal(), .again = pause_after(failure, settings)};
    if (!run.again) {
      run.failure = std::current_exception();
    } else if (settings.told->is_news(failure.message())) {
      Log::error(failure.message());
    }
  } catch (const Error&) {
    run = {.signal = drain.signal(), .failure = std::current_exception()};
  }
  run.next = drain.next();
  run.file_begun = drain.file_begun();
  return run;
}

FollowedRun follow(DrainSettings settings, std::chrono::seconds rescan) {
  Told told;
  settings.told = &told;
  Pause pause(settings.queue_dir);
  for (;;) {
    FollowedRun run = run_followed(settings);
    if (run.failure) std::rethrow_exception(run.failure);
    const Milliseconds at_most = std::min<Milliseconds>(rescan, run.again.value_or(rescan));
    if (!run.signal) run.signal = pause.wait(at_most, run.next);
    if (!run.signal) continue;
    if (!run.cut_short) Log::info(cat("ended by ", sys::signal_name(*run.signal)));
    return run;
  }
}

}  // namespace penstock::work
