#include "doctor/healer.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <functional>
#include <optional>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "doctor/looking.h"
#include "doctor/stop_policy.h"
#include "procfs/capture.h"
#include "procfs/thread_state.h"
#include "sys/pipe.h"
#include "sys/process.h"
#include "sys/signals.h"

namespace penstock::doctor {

using namespace std::chrono_literals;
using procfs::PipeEnd;
using procfs::Snapshot;

namespace {

constexpr auto kPatience = 2s;

HealResult refused(std::string why) {
  return {.sentence = std::move(why)};
}

// Whether `seen` came true in time. What is waited for tells nobody that it has come, so it is
// looked at again and again.
bool comes_true(const std::function<bool()>& seen) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  auto pause = 1ms;
  while (!seen()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, 32ms);
  }
  return true;
}

std::string named(const Snapshot& now, const ProcessId& id) {
  const Process* process = now.find(id);
  return process == nullptr ? cat("process ", id.pid) : name_of(*process);
}

// A process that is still the one that was diagnosed, and can be signalled without hitting a
// stranger.
class Held {
 public:
  // Nothing, and the reason in `why`, if it is not.
  static std::optional<Held> take(const Snapshot& now, const ProcessId& id, std::string& why) {
    const Process* process = now.find(id);
    if (process == nullptr) {
      why = cat("process ", id.pid, " was not seen in the diagnosis");
      return std::nullopt;
    }
    auto pidfd = sys::open_pidfd(id.pid);
    // After the pidfd: from here on the number cannot come to mean another process unnoticed.
    if (!pidfd || sys::start_time_of(id.pid) != id.start_time) {
      why = cat(name_of(*process), " has ended since, or its number means another process now");
      return std::nullopt;
    }
    return Held(*process, std::move(*pidfd));
  }

  const Process& process() const { return *process_; }
  bool is_dead() const { return sys::is_dead(pidfd_.get()); }
  sys::Delivery signal(int number) const { return sys::send_signal(pidfd_.get(), number); }

 private:
  Held(const Process& process, sys::UniqueFd pidfd)
      : process_(&process), pidfd_(std::move(pidfd)) {}
  const Process* process_;
  sys::UniqueFd pidfd_;
};

// Stopped until the end of the scope, however that is left: a Ctrl-C in between would leave
// somebody stopped for ever.
class Stopped {
 public:
  explicit Stopped(const Held& held) : held_(held), delivery_(held.signal(SIGSTOP)) {}
  ~Stopped() {
    if (was_sent()) held_.signal(SIGCONT);
  }
  Stopped(const Stopped&) = delete;
  Stopped& operator=(const Stopped&) = delete;
  bool was_sent() const { return delivery_ == sys::Delivery::sent; }

 private:
  sys::SignalsHeld signals_held_;
  const Held& held_;
  sys::Delivery delivery_;
};

const procfs::Task* task_in(const Snapshot& now, const Wait& wait) {
  const Process* process = now.find(wait.process);
  if (process == nullptr) return nullptr;
  const auto it = std::ranges::find(process->tasks, wait.tid, &procfs::Task::tid);
  return it == process->tasks.end() ? nullptr : &*it;
}

bool is_unmoved(const Snapshot& now, const Wait& wait) {
  const procfs::Task* then = task_in(now, wait);
  const auto thread = procfs::read_thread_state(wait.process.pid, wait.tid);
  if (then == nullptr || !thread) return false;
  return thread->state == then->state && thread->voluntary_switches == then->voluntary_switches &&
         (!thread->wchan || !then->wchan || thread->wchan == then->wchan);
}

// Everything that one remedy needs to know.
class Healer {
 public:
  Healer(const Finding& finding, const Remedy& remedy, const Snapshot& before, const Snapshot& now)
      : finding_(finding), remedy_(remedy), now_(now), scene_(before, now) {}

  HealResult apply() {
    switch (remedy_.step) {
      case Step::wait:
        return refused(cat("nothing that this program does: ", remedy_.command));
      case Step::nudge:
        return wake();
      case Step::close_own:
        return refused("an end of ours is never closed from here");
      case Step::end_holder:
        return end({remedy_.target});
      case Step::stop_cont:
        return stop_and_continue();
      case Step::end_all:
        return end(everybody());
    }
    return refused("no such remedy");
  }

 private:
  HealResult wake() {
    const ino_t pipe = remedy_.pipe.value_or(finding_.pipe.value_or(0));
    const std::vector<const Wait*> writers = scene_.steady_on(WaitKind::pipe_write, pipe);
    if (writers.empty()) return refused(cat("nobody slept in a write to pipe ", pipe));
    std::string why;
    if (!Held::take(now_, remedy_.target, why)) return refused(why);
    if (const auto news = news_of_waits(); !news.empty()) return refused(news);
    if (const auto news = news_of_pipe(pipe); !news.empty()) return refused(news);
    if (any_moved(writers)) return refused("its writer has moved since: it is not stuck any more");
    if (!nudge_through_anybody(pipe, why)) return refused(why);
    const std::string who = named(now_, writers.front()->process);
    const bool woken = comes_true([&] { return any_moved(writers); });
    return {.applied = true,
            .verified = woken,
            .sentence = cat("pipe ", pipe, " was given the size it has; ", who,
                            woken ? " was woken by it" : " did not move")};
  }

  // The end that was named first, then any other: the pipe is the same.
  bool nudge_through_anybody(ino_t pipe, std::string& why) const {
    if (nudge(remedy_.target, pipe, why)) return true;
    for (const auto* holders : {&scene_.writers(pipe), &scene_.readers(pipe)}) {
      for (const Holder& holder : *holders) {
        std::string other;
        if (nudge(holder.process->id(), pipe, other)) return true;
      }
    }
    return false;
  }

  HealResult stop_and_continue() {
    std::string why;
    const auto target = Held::take(now_, remedy_.target, why);
    if (!target) return refused(why);
    const std::string who = name_of(target->process());
    if (forbids_stop(target->process())) {
      return refused(cat(who, " must not be stopped: its stream would break"));
    }
    const Wait* sleep =
        steady_wait(scene_, target->process(), {WaitKind::pipe_write, WaitKind::pipe_read});
    if (sleep == nullptr) return refused(cat(who, " did not sleep on a pipe"));
    if (const auto news = news_of_waits(); !news.empty()) return refused(news);
    if (!is_unmoved(now_, *sleep)) return refused(cat(who, " has moved since: it is not stuck"));
    const auto moved_then = procfs::read_io(sleep->process.pid);
    bool stopped = false;
    {
      const Stopped pause(*target);
      if (!pause.was_sent()) return refused(cat(who, " could not be signalled"));
      stopped = comes_true([&] {
        const auto thread = procfs::read_thread_state(sleep->process.pid, sleep->tid);
        return !thread || thread->state == 'T';
      });
    }
    const bool gone_on = stopped && comes_true([&] { return went_on(*sleep, moved_then); });
    return {.applied = true,
            .verified = gone_on,
            .sentence = cat(who, " was stopped and continued; it ",
                            gone_on ? "goes on" : "sleeps as before")};
  }

  // A stop moves the switches by itself; what counts is that bytes have moved, or that it sleeps
  // elsewhere.
  static bool went_on(const Wait& sleep, const std::optional<procfs::IoCounters>& before) {
    const auto thread = procfs::read_thread_state(sleep.process.pid, sleep.tid);
    if (!thread) return true;
    if (thread->state != 'T' && thread->wchan && *thread->wchan != sleep.function) return true;
    const auto now = procfs::read_io(sleep.process.pid);
    return before && now && (now->written != before->written || now->read != before->read);
  }

  HealResult end(const std::vector<ProcessId>& ids) {
    std::string why;
    std::vector<Held> all;
    for (const ProcessId& id : ids) {
      auto held = Held::take(now_, id, why);
      // Whoever of many has ended by himself needs nothing more.
      if (!held && ids.size() == 1) return refused(why);
      if (!held) continue;
      if (const auto reason = why_not_end(held->process()); !reason.empty()) return refused(reason);
      all.push_back(std::move(*held));
    }
    if (all.empty()) return refused("all of them have ended since");
    if (const auto news = news_of_waits(); !news.empty()) return refused(news);
    return send_term(all);
  }

  static HealResult send_term(const std::vector<Held>& all) {
    std::string names;
    for (const Held& held : all) {
      if (held.signal(SIGTERM) == sys::Delivery::refused) {
        const std::string who = name_of(held.process());
        return {.applied = &held != &all.front(),
                .sentence = cat(who, " belongs to another user and cannot be ended by us")};
      }
      names += cat(names.empty() ? "" : ", ", name_of(held.process()));
    }
    const auto is_dead = [](const Held& held) { return held.is_dead(); };
    const bool ended = comes_true([&] { return std::ranges::all_of(all, is_dead); });
    return {.applied = true,
            .verified = ended,
            .sentence = cat(names, all.size() == 1 ? " was" : " were", " told to end (SIGTERM)",
                            ended ? (all.size() == 1 ? " and has" : " and have") : " and ",
                            ended ? "" : (all.size() == 1 ? "has not yet" : "have not all yet"))};
  }

  std::string why_not_end(const Process& process) const {
    const std::string who = name_of(process);
    if (process.stat.pid == ::getpid() || process.stat.pid <= 1 ||
        scene_.is_ancestor(process.stat.pid, ::getpid())) {
      return cat(who, " is who called us, or the machine's first process");
    }
    for (const GateText& gate : scene_.gates()) {
      if (std::ranges::find(gate.holders, process.id()) != gate.holders.end()) {
        return cat(who, " holds a gate, and that is left to it");
      }
    }
    const auto thread = procfs::read_thread_state(process.stat.pid, process.stat.pid);
    if (!thread || is_halted(thread->state) != is_halted(process.stat.state)) {
      return cat(who, " has changed its state since");
    }
    if (!still_holds_pipe(process)) {
      return cat(who, " does not hold pipe ", *finding_.pipe, " any more");
    }
    return "";
  }

  static bool is_halted(char state) { return state == 'T' || state == 't' || state == 'Z'; }

  // If it held the pipe that all is about.
  bool still_holds_pipe(const Process& process) const {
    if (!finding_.pipe || !process.descriptors) return true;
    const bool held = std::ranges::any_of(*process.descriptors, [&](const auto& file) {
      return file.is_pipe() && file.inode == *finding_.pipe;
    });
    const auto ends = held ? procfs::read_pipe_ends(process.stat.pid) : std::nullopt;
    return !ends || std::ranges::find(*ends, *finding_.pipe, &PipeEnd::inode) != ends->end();
  }

  std::vector<ProcessId> everybody() const {
    std::vector<ProcessId> all = {remedy_.target};
    const Process* target = scene_.find(remedy_.target);
    std::vector<ProcessId> others = remedy_.others;
    if (others.empty() && target != nullptr) others = end_pipeline(scene_, *target).others;
    all.insert(all.end(), others.begin(), others.end());
    return all;
  }

  // The waits that the finding is about, each looked at again; empty: all are as they were.
  std::string news_of_waits() const {
    for (const Wait& wait : scene_.waits()) {
      if (!wait.steady || !concerns(wait) || is_unmoved(now_, wait)) continue;
      return cat(named(now_, wait.process), " has moved since: it is not stuck any more");
    }
    return "";
  }

  bool concerns(const Wait& wait) const {
    if (finding_.pipe && wait.pipe != *finding_.pipe) return false;
    return wait.process == finding_.culprit ||
           std::ranges::find(finding_.victims, wait.process) != finding_.victims.end();
  }

  std::string news_of_pipe(ino_t pipe) const {
    const procfs::PipeFacts* then = scene_.facts(pipe);
    const procfs::PipeFacts fresh = procfs::probe_pipe(procfs::Source{}, now_, pipe);
    if (then == nullptr || !then->writable || !fresh.writable) {
      return cat("pipe ", pipe, " cannot be asked whether it has room");
    }
    if (then->writable == fresh.writable) return "";
    return cat("pipe ", pipe, *fresh.writable ? " has room now" : " is full now");
  }

  bool any_moved(const std::vector<const Wait*>& waits) const {
    return std::ranges::any_of(waits, [&](const Wait* wait) { return !is_unmoved(now_, *wait); });
  }

  const Finding& finding_;
  const Remedy& remedy_;
  const Snapshot& now_;
  Scene scene_;
};

}  // namespace

bool nudge(const ProcessId& through, ino_t pipe, std::string& why) {
  if (sys::start_time_of(through.pid) != through.start_time) {
    why = cat("process ", through.pid, " has ended since, or its number means another one now");
    return false;
  }
  auto ends = procfs::read_pipe_ends(through.pid);
  if (!ends) {
    why = cat("the descriptors of process ", through.pid, " may not be read");
    return false;
  }
  // A write end first: one more of these can keep nobody from hearing that his reader is gone.
  std::ranges::stable_partition(*ends, &PipeEnd::writes);
  why = cat("process ", through.pid, " has no end of pipe ", pipe);
  for (const PipeEnd& end : *ends) {
    if (end.inode != pipe) continue;
    const auto side = end.writes ? sys::PipeSide::write : sys::PipeSide::read;
    const auto fd = sys::reopen_pipe_of(through.pid, end.fd, pipe, side);
    if (fd && sys::set_pipe_size(fd->get(), sys::pipe_size(fd->get()))) return true;
    why = cat("pipe ", pipe, ": ", std::generic_category().message(errno));
  }
  return false;
}

HealResult heal(const Finding& finding, const Remedy& remedy, const Snapshot& before,
                const Snapshot& now) {
  try {
    return Healer(finding, remedy, before, now).apply();
  } catch (const Error& error) {
    return refused(error.message());  // a pidfd or a pipe that the system would not give
  }
}

}  // namespace penstock::doctor
