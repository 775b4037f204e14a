#include "pipeline/stall_watch.h"

#include <unistd.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "doctor/healer.h"
#include "doctor/looking.h"
#include "doctor/scene.h"

namespace penstock::pipeline {

using namespace std::chrono_literals;

namespace {

// How often an edge that could lose a wakeup is looked at.
constexpr auto kExposedAfter = 2s;
constexpr auto kSlowestTick = 1s;
constexpr auto kFastestTick = 250ms;
constexpr auto kLateTick = 10s;
// Between the two snapshots of a consultation.
constexpr auto kBetweenLooks = 1s;
// A stall that stays is asked about again, less and less often.
constexpr auto kLongestSilence = 10min;

std::string in_seconds(std::chrono::steady_clock::duration time) {
  return cat(std::chrono::duration_cast<std::chrono::seconds>(time).count(), " s");
}

bool may_be_nudged(const doctor::Finding& finding, const doctor::Remedy& remedy) {
  return remedy.step == doctor::Step::nudge && finding.certainty == doctor::Certainty::certain &&
         finding.severity == doctor::Severity::stuck;
}

// The scene has strangers, too: whoever shares a terminal with us, other receivers. Of a job are
// its stages and what they have started. We ourselves are of each, and so of none.
bool is_of_job(const doctor::Scene& scene, const std::vector<pid_t>& stages, pid_t pid) {
  return std::ranges::any_of(stages, [&](pid_t stage) {
    return stage != ::getpid() && (stage == pid || scene.is_ancestor(stage, pid));
  });
}

bool is_about_job(const doctor::Scene& scene, const std::vector<pid_t>& stages,
                  const doctor::Finding& finding) {
  return is_of_job(scene, stages, finding.culprit.pid) ||
         std::ranges::any_of(finding.victims, [&](const doctor::ProcessId& victim) {
           return is_of_job(scene, stages, victim.pid);
         });
}

// Whether anybody of the job did anything between the snapshots.
bool any_moved(const doctor::Scene& scene, const std::vector<pid_t>& stages) {
  return std::ranges::any_of(scene.processes(), [&](const doctor::Process* process) {
    return is_of_job(scene, stages, process->stat.pid) && scene.moved(process->stat.pid);
  });
}

// "sh 12 waits for a child, sleep 13 sleeps of its own accord"
std::string what_all_do(const doctor::Scene& scene, const std::vector<pid_t>& stages) {
  constexpr size_t kMostNamed = 6;
  std::string text;
  size_t count = 0;
  for (const doctor::Process* process : scene.processes()) {
    if (!is_of_job(scene, stages, process->stat.pid) || process->is_zombie()) continue;
    if (++count <= kMostNamed) {
      text += cat(text.empty() ? "" : ", ", doctor::name_of(*process), " ",
                  doctor::what_it_does(scene, *process));
    }
  }
  if (count > kMostNamed) text += cat(", and ", count - kMostNamed, " more");
  return text.empty() ? "none of its processes is left" : text;
}

// What says that nothing is wrong is no reason for a stall.
bool says_healthy(const doctor::Finding& finding) {
  const std::string_view rule = finding.rule->id;
  return rule == "R46" || rule == "R47" || rule == "R48";
}

}  // namespace

StallWatch::StallWatch(sys::EventLoop& loop)
    : tick_timer_(loop, [this] { tick(); }), second_look_(loop, [this] { hear(); }) {}

StallWatch::Handle::Handle(StallWatch& watch, StallPolicy policy, StallSubject subject)
    : watch_(watch), id_(watch.add(policy, std::move(subject))) {}

void StallWatch::Handle::went_on() {
  if (Watched* watched = watch_.find(id_)) watch_.moved(*watched, Clock::now());
}

StallWatch::Handle::~Handle() {
  watch_.remove(id_);
}

uint64_t StallWatch::add(StallPolicy policy, StallSubject subject) {
  Watched watched{.id = ++last_id_, .policy = policy, .subject = std::move(subject)};
  start_clock(watched, Clock::now());
  watched_.push_back(std::move(watched));
  // It goes on by itself until nobody is left: nothing is paid for a job that is over at once.
  if (!tick_timer_.is_set()) tick_timer_.set(kFastestTick);
  return last_id_;
}

void StallWatch::remove(uint64_t id) {
  watched_.remove_if([id](const Watched& watched) { return watched.id == id; });
}

StallWatch::Watched* StallWatch::find(uint64_t id) {
  const auto found = std::ranges::find(watched_, id, &Watched::id);
  return found == watched_.end() ? nullptr : &*found;
}

void StallWatch::tick() {
  if (watched_.empty()) return;
  const Clock::time_point now = Clock::now();
  // Stopped (Ctrl-Z), or the machine slept: nobody could have moved meanwhile.
  if (last_tick_ != Clock::time_point() && now - last_tick_ > kLateTick) {
    for (Watched& watched : watched_) start_clock(watched, now);
  }
  last_tick_ = now;
  std::chrono::nanoseconds next = kSlowestTick;
  std::vector<uint64_t> ids;
  ids.reserve(watched_.size());
  for (const Watched& watched : watched_) {
    ids.push_back(watched.id);
    if (watched.policy.after > 0ms)
      next = std::min<std::chrono::nanoseconds>(next, watched.policy.after / 4);
  }
  tick_timer_.set(std::max<std::chrono::nanoseconds>(next, kFastestTick));
  // A subject may end its run, and so leave, while it is looked at.
  for (const uint64_t id : ids) {
    if (Watched* watched = find(id)) look_at(*watched, Clock::now());
  }
}

void StallWatch::start_clock(Watched& watched, Clock::time_point now) {
  watched.still_since = now;
  watched.ask_again = watched.policy.after;
  watched.ask_at = now + (watched.subject.exposed
                              ? std::min<Clock::duration>(kExposedAfter, watched.policy.after)
                              : Clock::duration(watched.policy.after));
  watched.last_sentence.clear();
}

void StallWatch::look_at(Watched& watched, Clock::time_point now) {
  if (watched.given_up) return;
  if (!watched.subject.streams()) {
    start_clock(watched, now);
    return;
  }
  const uint64_t bytes = watched.subject.bytes();
  if (std::exchange(watched.bytes, bytes) != bytes) {
    moved(watched, now);
    return;
  }
  uint64_t counters = 0;
  try {
    counters = watched.subject.counters();
  } catch (const Error& error) {
    Log::debug(cat(watched.subject.name, ": ", error.message()));
    return;  // a want of descriptors is no stall: at the next tick
  }
  if (std::exchange(watched.counters, counters) != counters) {
    moved(watched, now);
    return;
  }
  const bool ends =
      watched.policy.on_stall == OnStall::kill || watched.policy.on_stall == OnStall::retry;
  if (ends && now - watched.still_since >= watched.policy.kill_after) {
    watched.given_up = true;
    std::string sentence = cat("no byte has moved for ", in_seconds(now - watched.still_since));
    if (!watched.last_sentence.empty()) sentence += cat(": ", watched.last_sentence);
    watched.subject.give_up(sentence, watched.policy.on_stall == OnStall::retry);
    return;
  }
  if (watched.policy.after > 0ms && now >= watched.ask_at && !consultation_) ask(watched);
}

void StallWatch::ask(Watched& watched) {
  const std::vector<pid_t> processes = watched.subject.processes();
  if (processes.empty()) return;
  try {
    second_look_.prepare();
    const doctor::Scope scope{.pids = {processes.begin(), processes.end()}};
    consultation_ = Consultation{
        .id = watched.id,
        .before = procfs::take_snapshot(
            {}, [&](const procfs::Snapshot& table) { return doctor::choose(scope, table); }),
        .processes = processes};
    second_look_.set(kBetweenLooks);
  } catch (const Error& error) {
    say(watched, cat("it stands still, and cannot be looked at: ", error.message()));
  }
  watched.ask_at = Clock::now() + watched.ask_again;
  watched.ask_again = std::min<Clock::duration>(watched.ask_again * 2, kLongestSilence);
}

void StallWatch::hear() {
  const Consultation consultation = std::move(*std::exchange(consultation_, std::nullopt));
  Watched* watched = find(consultation.id);
  if (watched == nullptr || watched->given_up) return;
  if (watched->subject.bytes() != watched->bytes) return;  // it went on meanwhile
  try {
    if (watched->subject.counters() != watched->counters) return;  // the next tick sees it
    const doctor::Scope scope{
        .pids = {consultation.processes.begin(), consultation.processes.end()}};
    const procfs::Snapshot now = procfs::take_snapshot(
        {}, [&](const procfs::Snapshot& table) { return doctor::choose(scope, table); },
        &consultation.before);
    act_upon(*watched, consultation.before, now, doctor::diagnose(consultation.before, now));
  } catch (const Error& error) {
    say(*watched, cat("it stands still, and cannot be looked at: ", error.message()));
  }
}

void StallWatch::act_upon(Watched& watched, const procfs::Snapshot& before,
                          const procfs::Snapshot& now, const doctor::Diagnosis& diagnosis) {
  const doctor::Scene scene(before, now);
  const std::vector<pid_t> stages = watched.subject.processes();
  const auto stuck = std::ranges::find_if(diagnosis.findings, [&](const doctor::Finding& finding) {
    return finding.severity == doctor::Severity::stuck && is_about_job(scene, stages, finding);
  });
  if (stuck == diagnosis.findings.end()) {
    if (any_moved(scene, stages)) {
      start_clock(watched, Clock::now());  // it computes, or reads what is no pipe: not stuck
    } else {
      say_what_is_known(watched, scene, diagnosis);
    }
    return;
  }
  const bool in_time = Clock::now() - watched.still_since >= watched.policy.after;
  const auto nudge_remedy = std::ranges::find_if(
      stuck->remedies, [&](const doctor::Remedy& remedy) { return may_be_nudged(*stuck, remedy); });
  // An exposed edge is asked about early, for the sake of this one thing only.
  if (nudge_remedy == stuck->remedies.end() && !in_time) return;
  say(watched, cat(stuck->sentence, " (", stuck->rule->name, ", ", stuck->rule->id, ", ",
                   name_of(stuck->certainty), ")"));
  if (nudge_remedy == stuck->remedies.end() || watched.policy.on_stall == OnStall::report) return;
  nudge(watched, *nudge_remedy);
}

// Nothing moved, and nothing is stuck in a way that has a name.
void StallWatch::say_what_is_known(Watched& watched, const doctor::Scene& scene,
                                   const doctor::Diagnosis& diagnosis) {
  const std::vector<pid_t> stages = watched.subject.processes();
  for (const doctor::Unknown& unknown : diagnosis.unknown) {
    if (!is_of_job(scene, stages, unknown.process.pid)) continue;
    say(watched, unknown.sentence);
    return;
  }
  for (const doctor::Finding& finding : diagnosis.findings) {
    if (says_healthy(finding) || !is_about_job(scene, stages, finding)) continue;
    say(watched, finding.sentence);
    return;
  }
  say(watched, cat("nothing that is known to get stuck is stuck: ", what_all_do(scene, stages)));
}

// Whether it helped is seen at the next ticks: nothing here waits.
void StallWatch::nudge(Watched& watched, const doctor::Remedy& remedy) {
  std::string why;
  if (!remedy.pipe || !doctor::nudge(remedy.target, *remedy.pipe, why)) {
    say(watched, cat("the pipe could not be given the size it has (H1): ", why));
    return;
  }
  if (std::exchange(watched.nudged, true)) return;
  watched.ask_at = Clock::now() + kExposedAfter;  // if not, we look again soon
  watched.subject.note(cat("pipe ", *remedy.pipe, " was given the size it has (H1)"));
}

void StallWatch::moved(Watched& watched, Clock::time_point now) {
  if (std::exchange(watched.nudged, false)) {
    const std::string sentence =
        cat("bytes move again after ", in_seconds(now - watched.still_since),
            ": the pipe was given the size it has (H1)");
    Log::warn(cat(watched.subject.name, ": ", sentence));
    watched.subject.note(sentence);
  }
  start_clock(watched, now);
}

void StallWatch::say(Watched& watched, const std::string& sentence) {
  if (sentence == watched.last_sentence) return;
  watched.last_sentence = sentence;
  Log::warn(cat(watched.subject.name, ": no byte has moved for ",
                in_seconds(Clock::now() - watched.still_since), ": ", sentence));
  watched.subject.note(sentence);
}

}  // namespace penstock::pipeline
