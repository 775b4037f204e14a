#include "work/progress.h"

#include <unistd.h>

#include "base/log.h"
#include "base/text.h"

namespace penstock::work {

using namespace std::chrono_literals;

namespace {

bool line_is_there = false;  // a terminal has one progress line, whoever owns it

void write_raw(const std::string& text) {
  static_cast<void>(!::write(STDERR_FILENO, text.data(), text.size()));  // only decoration
}

}  // namespace

Progress::Progress(sys::EventLoop& loop, std::string what)
    : on_(::isatty(STDERR_FILENO) == 1),
      what_(std::move(what)),
      last_show_(std::chrono::steady_clock::now()),
      timer_(loop, [this] { show(); }) {
  if (!on_) return;
  Log::set_before_line(&Progress::wipe);
  timer_.set(1s);
}

Progress::Progress(sys::EventLoop& loop, LaneCounts& counts)
    : counts_(&counts), timer_(loop, [this] {
        timer_.set(1s);
        counts_->bytes = bytes();
      }) {
  timer_.set(1s);
}

Progress::~Progress() {
  if (!on_) return;
  wipe();
  Log::set_before_line(nullptr);
}

void Progress::set_jobs(uint64_t done, uint64_t total) {
  done_ = done;
  total_ = total;
  if (counts_ == nullptr) return;
  counts_->done = done;
  counts_->total = total;
}

void Progress::job_started(std::string name, std::function<uint64_t()> bytes) {
  job_ = std::move(name);
  bytes_ = std::move(bytes);
}

void Progress::job_ended() {
  if (bytes_) bytes_of_ended_ += bytes_();
  bytes_ = nullptr;
  job_.clear();
  if (counts_ != nullptr) counts_->bytes = bytes_of_ended_;
  wipe();
}

void Progress::wipe() {
  if (!line_is_there) return;
  line_is_there = false;
  write_raw("\r\x1b[2K");
}

void Progress::show() {
  timer_.set(1s);
  // In the background the terminal is somebody else's.
  if (::tcgetpgrp(STDERR_FILENO) != ::getpgrp()) return;
  const auto now = std::chrono::steady_clock::now();
  const std::chrono::duration<double> passed = now - last_show_;
  const uint64_t bytes = this->bytes();
  const auto rate = static_cast<uint64_t>(static_cast<double>(bytes - last_bytes_) /
                                          std::max(passed.count(), 0.001));
  last_show_ = now;
  last_bytes_ = bytes;
  std::string line = cat("\r\x1b[2K", done_, " of ", total_, " ", what_, ", ", human_bytes(bytes),
                         ", ", human_bytes(rate), "/s");
  if (!job_.empty()) line += cat(", running ", job_);
  write_raw(line);
  line_is_there = true;
}

}  // namespace penstock::work
