#include "pipeline/pipe_budget.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "sys/files.h"
#include "sys/pipe.h"

namespace penstock::pipeline {

namespace {

constexpr size_t kUsualPages = 16384;
constexpr size_t kOrdinary = 64UL << 10U;

}  // namespace

PipeBudget::PipeBudget() {
  if (::geteuid() == 0) return;
  size_t pages = kUsualPages;
  if (const auto fd = sys::try_open("/proc/sys/fs/pipe-user-pages-soft", O_RDONLY)) {
    const std::string text = sys::read_small_file(fd->get(), 32, "pipe-user-pages-soft");
    pages = parse_u64(trim(text)).value_or(kUsualPages);
  }
  limit_ = pages * static_cast<size_t>(::sysconf(_SC_PAGESIZE)) /
           2;  // 0 pages: no limit, as in the kernel
}

void PipeBudget::share_among(size_t processes) {
  if (limit_ != 0) limit_ = std::max<size_t>(limit_ / processes, 1);
}

size_t PipeBudget::enlarge(int fd, size_t bytes) {
  const size_t before = sys::pipe_size(fd);
  if (bytes == before) return before;
  const bool grows = bytes > before;
  if (grows && limit_ != 0 && taken_ + bytes > limit_) return before;
  if (!sys::set_pipe_size(fd, bytes)) return before;
  const size_t after = sys::pipe_size(fd);
  if (after > kOrdinary) taken_ += after;
  return after;
}

void PipeBudget::give_back(size_t bytes) {
  if (bytes > kOrdinary) taken_ -= std::min(bytes, taken_);
}

}  // namespace penstock::pipeline
