// What a filter gives, made ahead in a thread of its own: it decodes on while its reader writes, as
// zstd(1) does. The bytes lie in a ring and are written out from there.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>

#include "pipeline/filtered_input.h"
#include "sys/unique_fd.h"

namespace penstock::pipeline {

class FilteredAhead {
 public:
  struct Config {
    int source = -1;  // borrowed
    std::unique_ptr<FilteredInput> filter;
    size_t capacity = 0;  // bytes made ahead, at most
    // Called in the thread with all that comes, piece by piece, before anybody else sees it; the
    // last piece may be empty. What it throws, look() throws.
    std::function<void(std::span<const uint8_t> piece, bool is_last)> check;
    std::string name;  // of the source, for errors
  };
  explicit FilteredAhead(Config config);
  FilteredAhead(const FilteredAhead&) = delete;
  FilteredAhead& operator=(const FilteredAhead&) = delete;
  ~FilteredAhead() { end(); }
  // Ends the thread, wherever it waits: then nobody reads the source any more. bytes_read() stays.
  void end();

  struct View {
    std::span<const uint8_t> front;  // the oldest bytes, as far as they lie side by side
    size_t held = 0;                 // all that was made and not dropped
    uint64_t made = 0;               // since the beginning
    bool is_at_end = false;          // nothing will be added
  };
  // Throws, as soon as it is known, what the filter, the source or the check threw.
  View look();
  // The oldest bytes are not needed any more.
  void drop(size_t count);

  // Bytes that the source has given so far; from any thread.
  uint64_t bytes_read() const { return bytes_read_.load(); }

  // Readable when something came after the last look().
  int news() const { return news_.get(); }
  void clear_news();

 private:
  void run();
  void make_all();
  // A place for the next bytes, when there is one; empty: it is to end.
  std::span<uint8_t> wait_for_room();
  void wait_for_source();
  void add(size_t count, bool is_last);

  Config config_;
  std::unique_ptr<uint8_t[]> ring_;  // NOLINT(*-avoid-c-arrays): not to be touched before its use
  sys::UniqueFd news_;
  sys::UniqueFd call_;  // for the thread: there is room again, or it is to end
  std::atomic<bool> is_to_end_ = false;
  std::atomic<uint64_t> bytes_read_ = 0;

  std::mutex mutex_;  // for what follows
  uint64_t made_ = 0;
  uint64_t dropped_ = 0;
  bool is_at_end_ = false;
  bool wants_news_ = false;
  bool wants_room_ = false;
  std::exception_ptr error_;

  std::thread thread_;  // last: starts when all else is there
};

}  // namespace penstock::pipeline
