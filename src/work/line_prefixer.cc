#include "work/line_prefixer.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <utility>

namespace penstock::work {

namespace {

constexpr size_t kLongestLine = 65536;
constexpr size_t kBuffer = 65536;
constexpr size_t kLargestPipe = 1 << 20;  // /proc/sys/fs/pipe-max-size, unless root says more

}  // namespace

LinePrefixer::LinePrefixer(sys::EventLoop& loop, sys::UniqueFd from, int to, std::string prefix,
                           std::function<bool()> may_wait)
    : from_(std::move(from)), to_(to), prefix_(std::move(prefix)), may_wait_(std::move(may_wait)) {
  ::fcntl(from_.get(), F_SETFL, O_NONBLOCK);
  watch_.emplace(loop, from_.get(), EPOLLIN, [this](uint32_t) { take(); });
}

void LinePrefixer::finish() {
  // What a pipe may hold, and not what somebody goes on writing.
  constexpr size_t kMostReads = 2 * kLargestPipe / kBuffer;
  for (size_t i = 0; i < kMostReads && take(); ++i) {
  }
  end();
}

void LinePrefixer::close_copy() const {
  if (watch_) ::close(from_.get());
}

// Once: others have lines, too. False if there is nothing now.
bool LinePrefixer::take() {
  if (!watch_) return false;
  std::array<char, kBuffer> buffer;
  const ssize_t count = ::read(from_.get(), buffer.data(), buffer.size());
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return errno == EINTR;
  if (count <= 0) {
    end();
    return false;
  }
  text_.append(buffer.data(), static_cast<size_t>(count));
  const size_t last = text_.rfind('\n');
  if (last != std::string::npos) pass_on(last + 1);
  if (text_.size() >= kLongestLine) pass_on(text_.size());
  return true;
}

// The first `size` bytes, in one write where it can be one.
void LinePrefixer::pass_on(size_t size) {
  std::string out;
  for (size_t at = 0; at < size;) {
    const size_t newline = text_.find('\n', at);
    const size_t next = newline < size ? newline + 1 : size;
    out += prefix_;
    out.append(text_, at, next - at);
    at = next;
  }
  if (out.back() != '\n') out += '\n';
  text_.erase(0, size);
  if (!write(out)) {
    text_.clear();
    end();
  }
}

// Never sleeps in write(2) for long: whoever reads may not, and signals are to be heeded meanwhile.
bool LinePrefixer::write(std::string_view out) const {
  constexpr int kLookAgain = 100;  // milliseconds
  while (!out.empty()) {
    pollfd entry{.fd = to_, .events = POLLOUT, .revents = 0};
    const int ready = ::poll(&entry, 1, kLookAgain);
    if (ready == 0 && !may_wait_()) return false;
    if (ready <= 0) continue;
    // A pipe that says so takes that much.
    const ssize_t count = ::write(to_, out.data(), std::min<size_t>(out.size(), PIPE_BUF));
    if (count < 0 && errno != EINTR && errno != EAGAIN) return false;
    if (count > 0) out.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

void LinePrefixer::end() {
  if (!watch_) return;
  watch_.reset();
  from_.reset();
  if (!text_.empty()) pass_on(text_.size());
}

}  // namespace penstock::work
