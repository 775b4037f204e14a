#include "pipeline/spooled_payload.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "pipeline/payload_limit.h"
#include "sys/files.h"
#include "sys/thread.h"

namespace penstock::pipeline {

namespace {

constexpr size_t kBlock = 256UL << 10U;

void check_space(const std::string& directory, uint64_t needed) {
  struct statvfs space {};
  if (::statvfs(directory.c_str(), &space) != 0) {
    throw Error::from_errno(cat("look at ", printable(directory)));
  }
  const uint64_t available = static_cast<uint64_t>(space.f_bavail) * space.f_frsize;
  if (available < needed) {
    throw Error(cat("verify the payload first: ", printable(directory), " has ",
                    human_bytes(available), " free, and at least ", human_bytes(needed),
                    " are needed (see --spool-dir)"));
  }
}

}  // namespace

SpooledPayload::SpooledPayload(sys::EventLoop& loop, Config config, std::function<void()> done)
    : config_(std::move(config)),
      wakeup_(loop, std::move(done)),
      stop_event_(sys::moved_high(sys::UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)))) {
  if (!stop_event_) throw MeansMissing(Error::from_errno("make an eventfd"));
  if (config_.at_least > kInMemory) {
    by_our_means([&] { check_space(config_.directory, config_.at_least); });
  }
  if (config_.seal) seal_check_.emplace(*config_.seal);
  thread_ = sys::start_thread([this] { run(); });
}

SpooledPayload::~SpooledPayload() {
  stop_ = true;
  const uint64_t one = 1;
  static_cast<void>(!::write(stop_event_.get(), &one, sizeof one));
  thread_.join();
}

std::string SpooledPayload::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

void SpooledPayload::run() {
  pthread_setname_np(pthread_self(), "penstock-spool");
  try {
    copy();
  } catch (const std::exception& error) {
    if (dynamic_cast<const BrokenSeal*>(&error) != nullptr) fault_ = Fault::seal;
    if (dynamic_cast<const PayloadTooLarge*>(&error) != nullptr) fault_ = Fault::size;
    if (dynamic_cast<const MeansMissing*>(&error) != nullptr) fault_ = Fault::means;
    const std::lock_guard lock(mutex_);
    error_ = error.what();
  }
  done_ = true;
  wakeup_.signal();
}

void SpooledPayload::copy() {
  file_ = by_our_means([] { return sys::make_memfd("penstock-payload"); });
  std::vector<uint8_t> block(kBlock);
  while (!stop_) {
    std::array<pollfd, 2> entries{{{.fd = stop_event_.get(), .events = POLLIN, .revents = 0},
                                   {.fd = config_.source, .events = POLLIN, .revents = 0}}};
    if (::poll(entries.data(), entries.size(), -1) < 0) {
      if (errno == EINTR) continue;
      throw Error::from_errno("poll");
    }
    if (stop_ || entries[1].revents == 0) continue;
    const size_t count = sys::read_some(config_.source, block, config_.name);
    if (count == 0) {
      if (seal_check_) seal_check_->finish();
      break;
    }
    check_payload_size(config_.most, size_ + count);
    const auto bytes = std::span<const uint8_t>(block).first(count);
    if (seal_check_) seal_check_->add(bytes);
    by_our_means([&] { store(bytes); });
  }
  if (in_memory_) fcntl(file_.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
}

void SpooledPayload::store(std::span<const uint8_t> bytes) {
  if (in_memory_ && size_ + bytes.size() > kInMemory) {
    // A file without a name: it is gone with its last descriptor, whatever happens to us.
    sys::UniqueFd disk = sys::open_file(config_.directory, O_TMPFILE | O_RDWR, 0600);
    std::vector<uint8_t> so_far(size_);
    if (sys::pread_full(file_.get(), so_far, 0, "the payload") != so_far.size()) {
      throw Error("the spooled payload lost bytes");
    }
    sys::write_all(disk.get(), so_far, config_.directory);
    file_ = std::move(disk);
    in_memory_ = false;
  }
  sys::write_all(file_.get(), bytes, in_memory_ ? "the payload" : printable(config_.directory));
  size_ += bytes.size();
}

}  // namespace penstock::pipeline
