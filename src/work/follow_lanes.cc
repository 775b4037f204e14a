#include "work/follow_lanes.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <map>
#include <set>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "sys/event_loop.h"
#include "sys/exit_status.h"
#include "sys/signals.h"
#include "work/arrivals.h"
#include "work/follow.h"
#include "work/follow_plan.h"
#include "work/interruption.h"
#include "work/progress.h"
#include "work/queues_below.h"
#include "work/run_failure.h"

namespace penstock::work {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Key = FollowPlan::Key;
using StatusOf = std::function<int(const Error&)>;

// No process could be made, for want of memory or of descriptors.
constexpr std::chrono::milliseconds kWantPause = 2s;

bool is_there(const std::string& path) {
  return ::faccessat(AT_FDCWD, path.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

// What becomes of a queue whose run has failed for good.
FollowedEnd::Fate fate_after(const Error& failure) {
  const auto* run = dynamic_cast<const RunFailure*>(&failure);
  const bool is_about_job = run != nullptr && (run->kind() == FailureKind::job_failed ||
                                               run->kind() == FailureKind::bad_data);
  return is_about_job ? FollowedEnd::Fate::blocked : FollowedEnd::Fate::broken;
}

// In the lane's process: one turn. Returns its exit status, and leaves in the counts how it ended.
int make_turn(const LaneTurn& turn, const LaneSettings& lanes, DrainSettings settings,
              const StatusOf& status_of, std::chrono::seconds rescan) {
  Told& told = *turn.told;
  told.note_in(turn.counts->told);
  settings.queue_dir = turn.queue;
  settings.told = &told;
  settings.lane = turn.counts;
  settings.lanes = lanes.lanes;
  settings.slice = lanes.slice;
  const FollowedRun run = run_followed(settings);
  FollowedEnd& end = turn.counts->followed;
  end.next = run.next;
  end.again = run.again;
  end.cut_short = run.cut_short;
  run.file_begun.copy(end.file.data(), end.file.size() - 1);
  turn.counts->more = run.more;
  try {
    if (run.failure) std::rethrow_exception(run.failure);
  } catch (const Error& failure) {
    end.fate = fate_after(failure);
    const bool is_blocked = end.fate == FollowedEnd::Fate::blocked;
    const std::string line = cat(
        failure.message(),
        is_blocked ? "; the queue is left alone until its number is set or a job file is removed"
                   : cat("; the queue is looked at again every ", rescan.count(), " s"));
    if (told.is_news(line) || !turn.is_second_look) Log::error(line);
    return status_of(failure);
  }
  if (run.signal) sys::die_by(*run.signal);
  end.fate = FollowedEnd::Fate::ran;
  return 0;
}

class FollowLanes {
 public:
  FollowLanes(const FollowedQueues& queues, const LaneSettings& lanes, const LanePool::Drain& drain)
      : below_(queues.below),
        rescan_(queues.rescan),
        plan_(queues.rescan),
        timer_(loop_, [this] { go_on(); }),
        interruption_(loop_),
        pool_(loop_, interruption_, lanes, drain,
              [this](const LanePool::Ended& ended) { end_turn(ended); }) {
    for (const std::string& dir : queues.given) follow(dir);
  }

  FollowLanesEnd run() {
    if (below_) look_below(Look::first);
    std::optional<sys::Watch> news;
    if (arrivals_.fd() >= 0)
      news.emplace(loop_, arrivals_.fd(), EPOLLIN, [this](uint32_t) { take_news(); });
    go_on();
    loop_.run_until([this] { return is_over(); });
    pool_.finish_output();
    end_.interrupted_by = interruption_.signal();
    if (end_.interrupted_by && !end_.cut_short)
      Log::info(cat("ended by ", sys::signal_name(*end_.interrupted_by)));
    for (const auto& [_, queue] : queues_) {
      if (end_.status == 0) end_.status = queue.status;
    }
    return end_;
  }

 private:
  struct Queue {
    std::string dir;
    bool is_forming = false;  // a directory that may become a queue
    std::optional<uint64_t> next;
    int status = 0;  // not 0: it is given up
    Told told;
  };

  bool is_over() const {
    if (!pool_.is_idle()) return false;
    return interruption_.has_come() || (!below_ && plan_.all_are_given_up());
  }

  // Whatever has happened: begins what can begin, and sets the clock for what is due.
  void go_on() {
    if (below_ && next_look_below_ <= Clock::now()) look_below(Look::again);
    plan_.wake(Clock::now());
    while (pool_.free() > 0 && !interruption_.has_come_by_now()) {
      const auto turn = plan_.begin();
      if (!turn || !begin_turn(*turn)) break;
    }
    pool_.tell_that_others_wait(plan_.others_wait());
    std::optional<FollowPlan::Time> next = plan_.next_look();
    if (below_) next = std::min(next_look_below_, next.value_or(next_look_below_));
    if (next) timer_.set(std::max<std::chrono::nanoseconds>(*next - Clock::now(), 1ms));
    show_progress();
  }

  // False if there is no room for it now.
  bool begin_turn(const FollowPlan::Turn& turn) {
    Queue& queue = queues_.at(turn.key);
    if (forget_if_moved(turn.key)) return true;
    // Watched first: what comes from here on is found by this turn, or told.
    watch(turn.key);
    try {
      pool_.begin(turn.key,
                  {.queue = queue.dir, .told = &queue.told, .is_second_look = turn.is_second_look});
      return true;
    } catch (const Error& error) {
      // Beside others that are at work it only waits for what they have.
      if (pool_.is_idle() && told_.is_news(error.message()))
        Log::error(cat(error.message(), "; trying again every ", kWantPause.count() / 1000, " s"));
      plan_.put_off(turn, Clock::now(), kWantPause);
      return false;
    }
  }

  void end_turn(const LanePool::Ended& ended) {
    const Key key = ended.queue;
    Queue& queue = queues_.at(key);
    const FollowedEnd& end = ended.counts.followed;
    queue.told.take_over(ended.counts.told);
    queue.next = end.next;
    end_.cut_short |= end.cut_short && interruption_.has_come();
    watch(key);  // the number may be in another file by now
    if (end.next) look_at_number(key);
    plan_.end(key, end, ended.counts.more, Clock::now());
    const auto signal = interruption_.signal();
    const bool was_ended = signal && ended.status.was_killed_by(*signal);
    queue.status = ended.was_killed ? 1 : was_ended ? 0 : ended.status.shell_status();
    if (plan_.is_given_up(key) && !forget_if_moved(key)) {
      if (!queue.next) queue.next = number_now(spool::Queue(queue.dir));
      watch(key);
      // It may have been removed while it ran, of which nobody was told.
      const std::string file = end.file.data();
      if (!file.empty() && !is_there(spool::Queue(queue.dir).job_path(file)))
        plan_.tell(key, FollowPlan::News::change);
    }
    go_on();
  }

  void take_news() {
    bool look = false;
    arrivals_.take([&](std::optional<Key> key, Arrivals::News news) {
      if (!key) {
        look = true;
        for (const auto& [each, _] : queues_) plan_.tell(each, FollowPlan::News::change);
      } else if (*key == kBelow) {
        look = true;
      } else if (const auto found = queues_.find(*key); found != queues_.end()) {
        take_news_of(*key, found->second, news);
      }
    });
    if (look && below_) look_below(Look::news);
    go_on();
  }

  void take_news_of(Key key, Queue& queue, Arrivals::News news) {
    if (queue.is_forming) {
      if (is_whole_queue(queue.dir)) begin_to_follow(key);
      return;
    }
    switch (news) {
      case Arrivals::News::job:
        plan_.tell(key, FollowPlan::News::arrival);
        return;
      case Arrivals::News::number:
        // At work, its own turn changes it; that is looked at in the end.
        if (plan_.is_at_work(key)) return;
        watch(key);
        look_at_number(key);
        return;
      case Arrivals::News::removal:
        if (plan_.is_given_up(key)) plan_.tell(key, FollowPlan::News::change);
        return;
      case Arrivals::News::gone:  // its turn finds that out
        plan_.tell(key, FollowPlan::News::arrival);
        return;
      case Arrivals::News::place:
      case Arrivals::News::entry:
        plan_.tell(key, FollowPlan::News::change);
        return;
    }
  }

  // One that cannot be read (any more) is nobody's wish: the next turn says more.
  void look_at_number(Key key) {
    const Queue& queue = queues_.at(key);
    const auto number = number_now(spool::Queue(queue.dir));
    if (number && number != queue.next) plan_.tell(key, FollowPlan::News::change);
  }

  void follow(const std::string& dir) {
    const Key key = next_key_++;
    queues_[key].dir = dir;
    plan_.add(key);
  }

  void begin_to_follow(Key key) {
    queues_.at(key).is_forming = false;
    plan_.add(key);
  }

  enum class Look { first, news, again };
  // Follows what has become a queue, and forgets what is none any more. One that is not whole may
  // only have been begun: it is not told about before the second look.
  void look_below(Look look) {
    next_look_below_ = Clock::now() + rescan_;
    arrivals_.watch_folder(kBelow, *below_);
    std::vector<std::string> dirs;
    try {
      dirs = directories_below(*below_);
    } catch (const RunFailure& failure) {
      if (look == Look::first) throw;
      if (told_.is_news(failure.message())) Log::error(failure.message());
      return;
    }
    std::set<std::string> names;
    std::set<Place> places;
    for (auto each = queues_.begin(); each != queues_.end();) {
      const auto& [key, queue] = *each++;
      if (!plan_.is_at_work(key) && forget_if_gone(key)) continue;
      names.insert(queue.dir);
      if (const auto place = place_of(queue.dir)) places.insert(*place);
    }
    for (const std::string& dir : dirs) {
      const auto place = place_of(dir);
      if (names.contains(dir) || (place && places.contains(*place))) continue;
      queues_[next_key_++] = {.dir = dir, .is_forming = true};
    }
    for (auto& [key, queue] : queues_) {
      if (!queue.is_forming) continue;
      arrivals_.watch(key, spool::Queue(queue.dir));
      if (is_whole_queue(queue.dir) || (look != Look::news && looks_like_queue(queue.dir)))
        begin_to_follow(key);
    }
    if (look == Look::first && plan_.all_are_given_up())
      Log::info(cat("there is no queue below ", printable(*below_), " yet"));
  }

  bool forget_if_gone(Key key) {
    const Queue& queue = queues_.at(key);
    if (place_of(queue.dir) || errno != ENOENT) return false;
    if (!queue.is_forming) Log::info(cat(printable(queue.dir), " is gone"));
    arrivals_.forget(key);
    plan_.remove(key);
    queues_.erase(key);
    return true;
  }

  // Where a queue was renamed it was left out under its new name, until now.
  bool forget_if_moved(Key key) {
    if (!below_ || !forget_if_gone(key)) return false;
    look_below(Look::news);
    return true;
  }

  void watch(Key key) {
    using enum Arrivals::Removals;
    const spool::Queue queue(queues_.at(key).dir);
    const Arrivals::Removals removals = plan_.is_given_up(key) ? told : left_out;
    const int why_not = arrivals_.watch(key, queue, removals).why_not;
    if (why_not == 0 || why_not == ENOENT || why_not == ENOTDIR) return;  // the run says more
    if (std::exchange(is_told_of_blindness_, true)) return;
    Log::warn(cat("the kernel does not tell of new files in ", printable(queue.jobs_path()), " (",
                  std::strerror(why_not),
                  "), and perhaps others: they are only seen by looking again"));
  }

  // Only while somebody is at work: it looks once a second.
  void show_progress() {
    if (pool_.is_idle()) {
      progress_.reset();
      return;
    }
    if (!progress_) progress_.emplace(loop_, "queues");
    const size_t at_work = lanes_at_work();
    progress_->set_jobs(queues_.size() - at_work, queues_.size());
    progress_->job_started(pool_.at_work(), [this] { return pool_.bytes(); });
  }
  size_t lanes_at_work() const {
    return static_cast<size_t>(std::ranges::count_if(
        queues_, [this](const auto& each) { return plan_.is_at_work(each.first); }));
  }

  static constexpr Key kBelow = UINT64_MAX;

  const std::optional<std::string>& below_;
  std::chrono::seconds rescan_;
  FollowPlan::Time next_look_below_;
  Key next_key_ = 0;
  std::map<Key, Queue> queues_;
  FollowPlan plan_;
  Arrivals arrivals_;
  Told told_;
  bool is_told_of_blindness_ = false;
  FollowLanesEnd end_;
  sys::EventLoop loop_;
  sys::Timer timer_;
  Interruption interruption_;
  LanePool pool_;
  std::optional<Progress> progress_;
};

}  // namespace

FollowLanesEnd follow_in_lanes(const FollowedQueues& queues, const LaneSettings& lanes,
                               const DrainSettings& settings, const StatusOf& status_of) {
  const LanePool::Drain drain = [&](const LaneTurn& turn) {
    return make_turn(turn, lanes, settings, status_of, queues.rescan);
  };
  return FollowLanes(queues, lanes, drain).run();
}

}  // namespace penstock::work
