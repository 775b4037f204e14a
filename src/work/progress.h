// A line on the terminal while long work goes on: jobs done, bytes, rate, the running job. Nothing
// where stderr is no terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "sys/event_loop.h"
#include "work/lane_counts.h"

namespace penstock::work {

class Progress {
 public:
  // `what` is done, in the plural.
  explicit Progress(sys::EventLoop& loop, std::string what = "jobs");
  // Shows nothing itself, but tells `counts` (borrowed), once a second.
  Progress(sys::EventLoop& loop, LaneCounts& counts);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void set_jobs(uint64_t done, uint64_t total);
  // `bytes` is asked at each showing, until job_ended().
  void job_started(std::string name, std::function<uint64_t()> bytes);
  void job_ended();

 private:
  void show();
  static void wipe();

  uint64_t bytes() const { return bytes_of_ended_ + (bytes_ ? bytes_() : 0); }

  bool on_ = false;
  std::string what_;
  LaneCounts* counts_ = nullptr;
  uint64_t done_ = 0;
  uint64_t total_ = 0;
  uint64_t bytes_of_ended_ = 0;
  uint64_t last_bytes_ = 0;
  std::string job_;
  std::function<uint64_t()> bytes_;
  std::chrono::steady_clock::time_point last_show_;
  sys::Timer timer_;
};

}  // namespace penstock::work
