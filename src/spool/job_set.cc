#include "spool/job_set.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include "base/text.h"

namespace penstock::spool {

namespace {

// The least that can carry this number, for searching.
ScannedJob lowest(uint64_t number) {
  return {.number = number, .created = {.seconds = INT64_MIN}};
}

}  // namespace

bool by_number(const ScannedJob& a, const ScannedJob& b) {
  return std::tie(a.number, a.created, a.name) < std::tie(b.number, b.created, b.name);
}

bool by_time(const ScannedJob& a, const ScannedJob& b) {
  return std::tie(a.created, a.number, a.name) < std::tie(b.created, b.number, b.name);
}

bool Turn::is_copy(const ScannedJob& of_this_number) const {
  return std::ranges::find(copies, of_this_number) != copies.end() ||
         std::ranges::find(twins, of_this_number) != twins.end();
}

void Turn::prefer(std::string_view name, uint64_t inode) {
  const auto tried = std::ranges::find_if(
      copies, [&](const ScannedJob& copy) { return copy.name == name && copy.id.inode == inode; });
  if (tried != copies.end()) std::swap(*job, *tried);
}

std::string Turn::conflict_sentence() const {
  std::string names = printable(job->name);
  for (const ScannedJob& rival : rivals) {
    names += cat(&rival == &rivals.back() ? " and " : ", ", printable(rival.name));
  }
  return cat("job ", job->number, ": ", names,
             " carry this number and differ; remove all but the right one");
}

std::string Gap::sentence() const {
  return cat("waiting for job ", waiting_for, "; ", later,
             later == 1 ? " later job is here, " : " later jobs are here, the first is ",
             first.number, " (", printable(first.name), ")");
}

JobSet::JobSet(std::vector<ScannedJob> jobs) {
  for (ScannedJob& job : jobs) add(std::move(job));
}

void JobSet::for_each(const std::function<void(const ScannedJob&)>& visit) const {
  for (const ScannedJob& job : jobs_) visit(job);
}

bool JobSet::has(uint64_t number) const {
  const auto first = jobs_.lower_bound(lowest(number));
  return first != jobs_.end() && first->number == number;
}

bool JobSet::knows(std::string_view name, const FileIdentity& id) const {
  const auto known = by_name_.find(name);
  return known != by_name_.end() && known->second->id == id;
}

void JobSet::add(ScannedJob job) {
  remove(job.name);
  // With the same number, time and name there is none any more.
  const auto place = jobs_.insert(std::move(job)).first;
  by_name_.emplace(place->name, place);
}

void JobSet::remove(std::string_view name) {
  const auto known = by_name_.find(name);
  if (known == by_name_.end()) return;
  const auto place = known->second;
  by_name_.erase(known);
  jobs_.erase(place);
}

Turn JobSet::at(uint64_t number, const SameContent& same_content) const {
  Turn turn;
  for (auto job = jobs_.lower_bound(lowest(number)); job != jobs_.end(); ++job) {
    if (job->number != number) break;
    if (!turn.job) {
      turn.job = *job;
      continue;
    }
    if (turn.job->id.same_file(job->id) || same_content(*turn.job, *job)) {
      turn.copies.push_back(*job);
    } else if (job->sealed_as && job->sealed_as == turn.job->sealed_as) {
      turn.twins.push_back(*job);
    } else {
      turn.rivals.push_back(*job);
    }
  }
  return turn;
}

std::optional<Gap> JobSet::gap(uint64_t next) const {
  const auto first = jobs_.lower_bound(lowest(next));
  if (first == jobs_.end() || first->number == next) return std::nullopt;
  return Gap{.waiting_for = next,
             .later = static_cast<size_t>(std::distance(first, jobs_.end())),
             .first = *first};
}

std::vector<ScannedJob> JobSet::guesses_at(uint64_t number) const {
  std::vector<ScannedJob> guesses;
  for (auto job = jobs_.lower_bound(lowest(number)); job != jobs_.end(); ++job) {
    if (job->number != number) break;
    if (job->is_guess) guesses.push_back(*job);
  }
  return guesses;
}

std::vector<ScannedJob> JobSet::first_guesses(size_t most) const {
  std::vector<ScannedJob> guesses;
  for (const ScannedJob& job : jobs_) {
    if (guesses.size() == most) break;
    if (job.is_guess) guesses.push_back(job);
  }
  return guesses;
}

std::vector<ScannedJob> JobSet::older_than(uint64_t next) const {
  return {jobs_.begin(), jobs_.lower_bound(lowest(next))};
}

std::vector<ScannedJob> JobSet::in_sequence() const {
  return {jobs_.begin(), jobs_.end()};
}

std::vector<ScannedJob> JobSet::in_time() const {
  std::vector<ScannedJob> jobs = in_sequence();
  std::ranges::sort(jobs, by_time);
  return jobs;
}

}  // namespace penstock::spool
