#include "pipeline/stderr_tap.h"

#include <unistd.h>

#include <array>

#include "base/error.h"
#include "base/text.h"
#include "sys/files.h"

namespace penstock::pipeline {

StderrTap::StderrTap(sys::EventLoop& loop, Forward forward)
    : pipe_(sys::Pipe::make()), forward_(forward) {
  watch_.emplace(loop, pipe_.read.get(), EPOLLIN, [this](uint32_t) {
    if (!take_some()) watch_.reset();
  });
}

bool StderrTap::take_some() {
  std::array<uint8_t, 4096> block{};
  const size_t count = sys::read_some(pipe_.read.get(), block, "a stage's stderr");
  if (count == 0) return false;
  const std::string_view text(reinterpret_cast<const char*>(block.data()), count);
  if (forward_ == Forward::yes) {
    try {
      sys::write_all(STDERR_FILENO, text, "stderr");
    } catch (const Error&) {
      // Our stderr is closed or full: the report still has the end of it.
    }
  }
  tail_ += text;
  if (tail_.size() > kKeptBytes) tail_.erase(0, tail_.size() - kKeptBytes);
  return true;
}

void StderrTap::drain() {
  while (watch_ && sys::poll_now(pipe_.read.get()).readable) {
    if (!take_some()) break;
  }
}

void StderrTap::forward_all() {
  if (forward_ == Forward::yes) return;
  forward_ = Forward::yes;
  try {
    sys::write_all(STDERR_FILENO, tail_, "stderr");
  } catch (const Error&) {
    // as above
  }
}

std::string StderrTap::last_words(const std::string& program) const {
  constexpr size_t kLongest = 200;
  std::string_view text = trim(tail_);
  std::string_view last;
  const std::string opening = program + ":";
  while (!text.empty()) {
    const size_t newline = text.rfind('\n');
    const std::string_view line =
        trim(newline == std::string_view::npos ? text : text.substr(newline + 1));
    if (last.empty()) last = line;
    if (program.empty() || line.starts_with(opening)) return printable(line.substr(0, kLongest));
    if (newline == std::string_view::npos) break;
    text = text.substr(0, newline);
  }
  return printable(last.substr(0, kLongest));
}

}  // namespace penstock::pipeline
