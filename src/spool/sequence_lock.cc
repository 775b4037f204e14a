#include "spool/sequence_lock.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "base/error.h"
#include "base/text.h"
#include "sys/beneath.h"
#include "sys/files.h"
#include "sys/lock.h"

namespace penstock::spool {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kFirstSleep{1};
constexpr milliseconds kLongestSleep{100};

sys::UniqueFd open_lock(const std::string& path, SequenceLock::Side side) {
  const bool create = side == SequenceLock::Side::sender;
  auto fd = sys::try_open_unplanted(path, O_RDWR | O_NONBLOCK | O_NOCTTY | (create ? O_CREAT : 0));
  if (fd) {
    if (S_ISREG(sys::status_of(fd->get(), printable(path)).st_mode)) return std::move(*fd);
    throw Error(cat(printable(path), " is not a regular file"));
  }
  const Error error = sys::open_error(path);
  if (create || !error.is(ENOENT)) throw error;
  throw Error(cat(printable(path), " is missing: the queue is append-only, or there is none ",
                  "(queue-init --repair completes one)"),
              error.code());
}

}  // namespace

std::optional<SequenceLock> SequenceLock::take(const std::string& file, Side side,
                                               std::chrono::nanoseconds limit) {
  const std::string path = path_of(file);
  const auto begin = steady_clock::now();
  milliseconds sleep = kFirstSleep;
  for (;;) {
    // Opened anew each time: if somebody has removed the file meanwhile, the one without a name is
    // not worth waiting for.
    sys::UniqueFd fd = open_lock(path, side);
    if (sys::try_lock(fd.get())) return SequenceLock(file, side, std::move(fd));
    const auto left = limit - (steady_clock::now() - begin);
    if (left <= std::chrono::nanoseconds::zero()) return std::nullopt;
    // A sleep, since flock has no descriptor that could be polled: it blocks or fails, and a thread
    // that blocks in it could not be called off.
    std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(sleep, left));
    sleep = std::min(sleep * 2, kLongestSleep);
  }
}

}  // namespace penstock::spool
