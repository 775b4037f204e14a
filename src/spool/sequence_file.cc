#include "spool/sequence_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <optional>

#include "base/error.h"
#include "base/text.h"
#include "spool/new_file.h"
#include "spool/sequence_text.h"
#include "spool/uuid.h"
#include "sys/beneath.h"
#include "sys/directory.h"
#include "sys/files.h"

namespace penstock::spool {

namespace {

constexpr int kMaxLinks = 40;            // as the kernel's limit
constexpr int kMaxUnlockedReads = 1000;  // a writer has a job to run between two numbers

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Where a chain of symbolic links ends, even if nothing is there yet.
std::string end_of_links(std::string path) {
  for (int i = 0; i < kMaxLinks; ++i) {
    std::array<char, PATH_MAX> target{};
    const ssize_t size = ::readlink(path.c_str(), target.data(), target.size());
    if (size < 0) return path;
    const std::string next(target.data(), static_cast<size_t>(size));
    path = next.starts_with('/') ? next : cat(directory_of(path), "/", next);
  }
  throw Error::from_errno(cat("open ", printable(path)), ELOOP);
}

// Nothing if there is no such file. A FIFO is refused rather than waited for.
std::optional<sys::UniqueFd> try_open_regular(const std::string& path, int flags) {
  auto fd = sys::try_open_unplanted(path, flags | O_NONBLOCK | O_NOCTTY);
  if (!fd) {
    if (errno == ENOENT) return std::nullopt;
    throw sys::open_error(path);
  }
  if (!S_ISREG(sys::status_of(fd->get(), printable(path)).st_mode)) {
    throw Error(cat(printable(path), " is not a regular file"));
  }
  return fd;
}

// Another process may be quicker: then its file is as good.
void create(const std::string& path, uint64_t number) {
  const std::string target = end_of_links(path);
  const sys::Directory directory(directory_of(target));
  NewFile file(directory, cat(".penstock-", uuid_v4(), ".tmp"));
  sys::write_all(file.fd(), cat(number, "\n"), printable(path));
  try {
    file.publish(std::string(base_name(target)));
  } catch (const Error& error) {
    if (!error.is(EEXIST)) throw;
  }
}

using Side = SequenceLock::Side;

// The command that puts a number there, for people.
std::string how_to_set(const std::string& path, Side side) {
  const std::string file = printable(shell_quote(path));
  if (side == Side::sender) return cat("`penstock prepare-set-next -s ", file, " N` sets it");
  return cat("`penstock queue-set-next -q ", printable(shell_quote(directory_of(path))),
             " N` sets it");
}

uint64_t number_in(const std::string& text, const std::string& path, Side side) {
  const auto number = parse_sequence(text);
  if (!number)
    throw Error(cat(printable(path), " ", sequence_problem(text), "; ", how_to_set(path, side)));
  return *number;
}

}  // namespace

SequenceFile::SequenceFile(const SequenceLock& lock, sys::UniqueFd fd)
    : path_(lock.file()), side_(lock.side()), fd_(std::move(fd)) {
  const struct stat status = sys::status_of(fd_.get(), printable(path_));
  device_ = status.st_dev;
  inode_ = status.st_ino;
}

SequenceFile SequenceFile::open(const SequenceLock& lock) {
  auto fd = try_open_regular(lock.file(), O_RDWR);
  if (!fd) {
    throw Error(cat(printable(lock.file()), " is missing, so nobody knows which number is next; ",
                    how_to_set(lock.file(), lock.side())),
                std::error_code(ENOENT, std::generic_category()));
  }
  return SequenceFile(lock, std::move(*fd));
}

SequenceFile SequenceFile::open_or_create(const SequenceLock& lock, uint64_t initial) {
  auto fd = try_open_regular(lock.file(), O_RDWR);
  if (!fd) {
    create(lock.file(), initial);
    fd = try_open_regular(lock.file(), O_RDWR);
  }
  if (!fd) throw Error(cat(printable(lock.file()), " was removed while it was being created"));
  return SequenceFile(lock, std::move(*fd));
}

uint64_t SequenceFile::read() const {
  return number_in(sys::read_small_file(fd_.get(), kMaxSequenceBytes, printable(path_)), path_,
                   side_);
}

std::optional<uint64_t> SequenceFile::try_read() const {
  return parse_sequence(sys::read_small_file(fd_.get(), kMaxSequenceBytes, printable(path_)));
}

Timestamp SequenceFile::born() const {
  return sys::birth_time_of(fd_.get()).value_or(Timestamp{});
}

void SequenceFile::write(uint64_t number) {
  using Kind = SequenceStep::Kind;
  const std::string name = printable(path_);
  check_name();
  const auto size = static_cast<uint64_t>(sys::status_of(fd_.get(), name).st_size);
  for (const SequenceStep& step : commit_steps(size, number)) {
    const auto offset = static_cast<off_t>(step.offset);
    switch (step.kind) {
      case Kind::write:
        sys::pwrite_all(fd_.get(), step.text, offset, name);
        break;
      case Kind::truncate:
        sys::truncate(fd_.get(), offset, name);
        break;
      case Kind::sync:
        sys::sync_data(fd_.get(), name);
        break;
    }
  }
}

void SequenceFile::check_writable() const {
  const std::string name = printable(path_);
  check_name();
  // That it could be opened for writing says all about modes and mounts; a byte written over itself
  // adds quotas, full copy-on-write disks, size limits.
  const std::string first = sys::read_small_file(fd_.get(), 1, name);
  sys::pwrite_all(fd_.get(), first, 0, name);
}

void SequenceFile::check_name() const {
  const auto named = sys::status_of_path(path_);
  if (named && named->st_dev == device_ && named->st_ino == inode_) return;
  throw Error(cat(printable(path_), named ? " was replaced" : " was removed",
                  " by somebody who does not hold its lock; nothing was written"));
}

uint64_t read_sequence_unlocked(const std::string& path) {
  const auto content = [&] {
    const auto fd = try_open_regular(path, O_RDONLY);
    if (!fd) {
      throw Error(cat(printable(path), " is missing: the queue is append-only, damaged, or there ",
                      "is none (queue-init --repair completes one)"),
                  std::error_code(ENOENT, std::generic_category()));
    }
    return sys::read_small_file(fd->get(), kMaxSequenceBytes, printable(path));
  };
  std::string text = content();
  for (int i = 0; i < kMaxUnlockedReads; ++i) {
    std::string again = content();
    if (text == again) return number_in(text, path, Side::queue);
    text = std::move(again);
  }
  throw Error(cat(printable(path), " changes faster than it can be read"));
}

}  // namespace penstock::spool
