#include "work/arrivals.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "spool/sequence_file.h"
#include "sys/files.h"

namespace penstock::work {

namespace {

constexpr uint32_t kComes = IN_MOVED_TO | IN_CREATE;
constexpr uint32_t kGoes = IN_MOVED_FROM | IN_DELETE;

sys::UniqueFd make_inotify() {
  sys::UniqueFd inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  return inotify ? sys::moved_high(std::move(inotify)) : std::move(inotify);
}

std::optional<Arrivals::News> news_in_queue(uint32_t events, std::string_view name) {
  if ((events & (IN_DELETE_SELF | IN_MOVE_SELF)) != 0) return Arrivals::News::gone;
  if (name == "jobs" || name == "nextseq.lock") return Arrivals::News::place;
  if (name == "nextseq") return Arrivals::News::number;
  return std::nullopt;
}

// No file that is still written under another name.
std::optional<Arrivals::News> news_in_jobs(uint32_t events, std::string_view name) {
  if (!spool::is_job_name(name)) return std::nullopt;
  return (events & kGoes) != 0 ? Arrivals::News::removal : Arrivals::News::job;
}

}  // namespace

std::optional<uint64_t> number_now(const spool::Queue& queue) {
  try {
    return spool::read_sequence_unlocked(queue.sequence_path());
  } catch (const Error&) {
    return std::nullopt;  // the next run says more
  }
}

Arrivals::Arrivals() : inotify_(make_inotify()) {}

Arrivals::Watched Arrivals::watch(Key key, const spool::Queue& queue, Removals removals) {
  const uint32_t removed = removals == Removals::told ? kGoes : 0;
  Watched watched;
  watched.is_elsewhere =
      put(key, &Places::jobs, queue.jobs_path(), kComes | IN_CLOSE_WRITE | IN_ONLYDIR | removed);
  if (places_[key].jobs < 0) watched.why_not = errno;
  put(key, &Places::queue, queue.dir(), kComes | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR);
  // For queue-set-next.
  put(key, &Places::number, queue.sequence_path(), IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF);
  return watched;
}

void Arrivals::watch_folder(Key key, const std::string& path) {
  put(key, &Places::folder, path, kComes | kGoes | IN_ONLYDIR);
}

// Whether it is watched now and was not before, or not the same; errno if it cannot be.
bool Arrivals::put(Key key, int Places::*place, const std::string& path, uint32_t events) {
  const int watch =
      inotify_ ? ::inotify_add_watch(inotify_.get(), path.c_str(), events) : (errno = EMFILE, -1);
  const int error = errno;
  const int before = std::exchange(places_[key].*place, watch);
  if (before != watch) {
    if (watch >= 0) keys_.emplace(watch, key);
    if (before >= 0) drop(key, before);
  }
  errno = error;
  return watch >= 0 && watch != before;
}

void Arrivals::drop(Key key, int watch) {
  auto [begin, end] = keys_.equal_range(watch);
  for (; begin != end; ++begin) {
    if (begin->second != key) continue;
    keys_.erase(begin);
    break;
  }
  if (!keys_.contains(watch)) ::inotify_rm_watch(inotify_.get(), watch);
}

void Arrivals::forget(Key key) {
  const auto found = places_.find(key);
  if (found == places_.end()) return;
  const Places places = found->second;
  places_.erase(found);
  for (const int watch : {places.queue, places.jobs, places.number, places.folder}) {
    if (watch >= 0) drop(key, watch);
  }
}

void Arrivals::take(const Listener& tell) {
  if (!inotify_) return;
  alignas(inotify_event) std::array<char, 4096> buffer{};
  ssize_t count = 0;
  while ((count = ::read(inotify_.get(), buffer.data(), buffer.size())) > 0) {
    for (size_t at = 0; at + sizeof(inotify_event) <= static_cast<size_t>(count);) {
      inotify_event event{};
      std::memcpy(&event, &buffer.at(at), sizeof event);
      const char* name = event.len > 0 ? &buffer.at(at + sizeof event) : "";
      if ((event.mask & IN_Q_OVERFLOW) != 0) {
        tell(std::nullopt, News::job);
      } else {
        tell_of(event.wd, event.mask, name, tell);
      }
      at += sizeof event + event.len;
    }
  }
}

void Arrivals::tell_of(int watch, uint32_t events, std::string_view name, const Listener& tell) {
  std::vector<std::pair<Key, News>> all;  // first: whoever is told may watch something else
  const auto [begin, end] = keys_.equal_range(watch);
  for (auto each = begin; each != end; ++each) {
    const auto& [_, key] = *each;
    Places& places = places_[key];
    std::optional<News> news;
    if (watch == places.jobs) news = news_in_jobs(events, name);
    if (watch == places.queue && !news) news = news_in_queue(events, name);
    if (watch == places.number && !news) news = News::number;
    if (watch == places.folder && !news) news = News::entry;
    if (news) all.emplace_back(key, *news);
    if ((events & IN_IGNORED) == 0) continue;
    for (int* place : {&places.queue, &places.jobs, &places.number, &places.folder}) {
      if (*place == watch) *place = -1;
    }
  }
  if ((events & IN_IGNORED) != 0) keys_.erase(watch);  // the kernel has given it up
  for (const auto& [key, news] : all) tell(key, news);
}

}  // namespace penstock::work
