#include "pipeline/filtered_ahead.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <utility>

#include "base/error.h"
#include "sys/files.h"
#include "sys/thread.h"

namespace penstock::pipeline {

namespace {

// As much as zstd(1) writes at once: the reader has something while more is made.
constexpr size_t kPiece = 128UL << 10U;

sys::UniqueFd make_eventfd() {
  sys::UniqueFd fd = sys::moved_high(sys::UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)));
  if (!fd) throw Error::from_errno("make an eventfd");
  return fd;
}

void signal(int fd) {
  const uint64_t one = 1;
  static_cast<void>(!::write(fd, &one, sizeof one));
}

void clear(int fd) {
  uint64_t count = 0;
  static_cast<void>(!::read(fd, &count, sizeof count));
}

}  // namespace

FilteredAhead::FilteredAhead(Config config)
    : config_(std::move(config)),
      ring_(std::make_unique_for_overwrite<uint8_t[]>(config_.capacity)),  // NOLINT(*-c-arrays)
      news_(make_eventfd()),
      call_(make_eventfd()),
      thread_(sys::start_thread([this] { run(); })) {
  assert(config_.capacity >= kPiece);
}

void FilteredAhead::end() {
  if (!thread_.joinable()) return;
  is_to_end_.store(true);
  signal(call_.get());
  thread_.join();
}

FilteredAhead::View FilteredAhead::look() {
  const std::lock_guard lock(mutex_);
  if (error_) std::rethrow_exception(error_);
  wants_news_ = true;
  const size_t held = made_ - dropped_;
  const size_t start = dropped_ % config_.capacity;
  return {.front = {ring_.get() + start, std::min(held, config_.capacity - start)},
          .held = held,
          .made = made_,
          .is_at_end = is_at_end_};
}

void FilteredAhead::drop(size_t count) {
  const std::lock_guard lock(mutex_);
  dropped_ += count;
  const size_t room = config_.capacity - (made_ - dropped_);
  if (wants_room_ && room >= kPiece) {
    wants_room_ = false;
    signal(call_.get());
  }
}

void FilteredAhead::clear_news() {
  clear(news_.get());
}

void FilteredAhead::run() {
  pthread_setname_np(pthread_self(), "penstock-decode");
  try {
    make_all();
  } catch (...) {
    const std::lock_guard lock(mutex_);
    error_ = std::current_exception();
    signal(news_.get());
  }
}

void FilteredAhead::make_all() {
  FilteredInput& filter = *config_.filter;
  bool is_last = false;
  while (!is_last) {
    const std::span<uint8_t> room = wait_for_room();
    if (!filter.has_more()) wait_for_source();
    if (is_to_end_.load()) return;
    const size_t count = filter.read(config_.source, room, config_.name);
    bytes_read_.store(filter.bytes_read());
    is_last = filter.is_at_end();
    if (count == 0 && !is_last) continue;
    config_.check(room.first(count), is_last);
    add(count, is_last);
  }
}

std::span<uint8_t> FilteredAhead::wait_for_room() {
  while (!is_to_end_.load()) {
    {
      const std::lock_guard lock(mutex_);
      const size_t room = config_.capacity - (made_ - dropped_);
      if (room >= kPiece) {
        const size_t start = made_ % config_.capacity;
        return {ring_.get() + start, std::min(kPiece, config_.capacity - start)};
      }
      wants_room_ = true;
    }
    pollfd entry{.fd = call_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&entry, 1, -1) < 0 && errno != EINTR) throw Error::from_errno("poll");
    clear(call_.get());
  }
  return {};
}

// Only when poll says so is it read: its description may be shared, and so stays blocking.
void FilteredAhead::wait_for_source() {
  while (!is_to_end_.load()) {
    std::array<pollfd, 2> entries{{{.fd = call_.get(), .events = POLLIN, .revents = 0},
                                   {.fd = config_.source, .events = POLLIN, .revents = 0}}};
    if (::poll(entries.data(), entries.size(), -1) < 0 && errno != EINTR)
      throw Error::from_errno("poll");
    if (entries[0].revents != 0) clear(call_.get());
    if (entries[1].revents != 0) return;
  }
}

void FilteredAhead::add(size_t count, bool is_last) {
  const std::lock_guard lock(mutex_);
  made_ += count;
  is_at_end_ = is_last;
  if (std::exchange(wants_news_, false)) signal(news_.get());
}

}  // namespace penstock::pipeline
