#include "work/follow_plan.h"

#include <algorithm>

namespace penstock::work {

void FollowPlan::add(Key key) {
  make_ready(key, queues_[key]);
}

void FollowPlan::remove(Key key) {
  queues_.erase(key);
  std::erase(ready_, key);
}

void FollowPlan::make_ready(Key key, Queue& queue) {
  queue = {.state = State::ready};
  ready_.push_back(key);
}

FollowPlan::State FollowPlan::state_of(Key key) const {
  const auto found = queues_.find(key);
  return found == queues_.end() ? State::resting : found->second.state;
}

void FollowPlan::tell(Key key, News news) {
  const auto found = queues_.find(key);
  if (found == queues_.end()) return;
  Queue& queue = found->second;
  switch (queue.state) {
    case State::ready:
      if (news == News::change) queue.is_second_look = false;
      return;
    case State::at_work:
      (news == News::change ? queue.has_change : queue.has_arrival) = true;
      return;
    case State::blocked:
    case State::broken:
      if (news == News::change) make_ready(key, queue);
      return;
    case State::resting:
      make_ready(key, queue);
      return;
  }
}

void FollowPlan::wake(Time now) {
  for (auto& [key, queue] : queues_) {
    if (!queue.look || *queue.look > now) continue;
    const bool is_second_look = queue.state == State::broken;
    make_ready(key, queue);
    queue.is_second_look = is_second_look;
  }
}

std::optional<FollowPlan::Turn> FollowPlan::begin() {
  if (ready_.empty()) return std::nullopt;
  const Key key = ready_.front();
  ready_.pop_front();
  Queue& queue = queues_[key];
  queue.state = State::at_work;
  return Turn{.key = key, .is_second_look = queue.is_second_look};
}

void FollowPlan::end(Key key, const FollowedEnd& end, bool more, Time now) {
  using Fate = FollowedEnd::Fate;
  Queue& queue = queues_[key];
  const bool is_given_up = end.fate != Fate::ran;
  if (queue.has_change || (!is_given_up && (more || queue.has_arrival))) {
    make_ready(key, queue);
    return;
  }
  queue = {.state = State::resting, .look = now + rescan_};
  if (is_given_up) queue.state = State::broken;
  if (end.fate == Fate::blocked) queue = {.state = State::blocked};
  if (!is_given_up && end.again) queue.look = std::min(*queue.look, now + *end.again);
}

void FollowPlan::put_off(const Turn& turn, Time now, std::chrono::milliseconds pause) {
  queues_[turn.key] = {.state = turn.is_second_look ? State::broken : State::resting,
                       .look = now + pause};
}

bool FollowPlan::all_are_given_up() const {
  return std::ranges::all_of(queues_, [](const auto& each) {
    return each.second.state == State::blocked || each.second.state == State::broken;
  });
}

std::optional<FollowPlan::Time> FollowPlan::next_look() const {
  std::optional<Time> next;
  for (const auto& [_, queue] : queues_) {
    if (queue.look) next = std::min(*queue.look, next.value_or(*queue.look));
  }
  return next;
}

}  // namespace penstock::work
