#include "work/sealing.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "packet/header.h"
#include "pipeline/header_read.h"
#include "pipeline/seal_check.h"
#include "spool/file_identity.h"
#include "spool/queue.h"
#include "spool/run_record.h"
#include "spool/sequence_lock.h"
#include "spool/uuid.h"
#include "sys/directory.h"
#include "sys/files.h"

namespace penstock::work {

namespace {

constexpr size_t kBlock = 128UL << 10U;
constexpr size_t kInMemory = 1UL << 20U;

// A file that will take the place of another one. Without a name until then, where the file system
// can do that.
class Replacement {
 public:
  Replacement(const sys::Directory& directory, mode_t mode)
      : directory_(directory), name_(cat("tmp-", spool::job_file_name(), ".tmp")) {
    auto file = directory_.try_create_unnamed(mode);
    if (!file) {
      file = directory_.try_open(name_, O_WRONLY | O_CREAT | O_EXCL, mode);
      has_name_ = file.has_value();
    }
    if (!file) throw Error::from_errno(cat("create a file in ", printable(directory.path())));
    fd_ = std::move(*file);
  }
  Replacement(const Replacement&) = delete;
  Replacement& operator=(const Replacement&) = delete;
  ~Replacement() {
    if (!has_name_) return;
    try {
      directory_.remove(name_);
    } catch (const Error&) {  // nobody to tell; in a queue it is swept
    }
  }

  int fd() const { return fd_.get(); }
  void take_place_of(const std::string& name) {
    sys::sync_file(fd_.get(), printable(name));
    if (!has_name_) directory_.link(fd_.get(), name_);
    has_name_ = true;
    directory_.rename(name_, name);
    has_name_ = false;
    directory_.sync();
  }

 private:
  const sys::Directory& directory_;
  std::string name_;
  bool has_name_ = false;
  sys::UniqueFd fd_;
};

// Exactly the old owner, group and mode: whoever could read the file still can, and nobody else.
void give_to_owner(int fd, const struct stat& old, const std::string& name) {
  if (::fchown(fd, old.st_uid, old.st_gid) != 0)
    throw Error::from_errno(cat("change the owner of ", name));
  if (::fchmod(fd, old.st_mode & 07777U) != 0)
    throw Error::from_errno(cat("change the mode of ", name));
}

// What is left in `fd`; `take` gets each block.
template <typename Take>
void read_rest(int fd, const std::string& name, Take take) {
  std::vector<uint8_t> block(kBlock);
  while (const size_t count = sys::read_some(fd, block, name)) take(std::span(block).first(count));
}

// In a queue nobody may run the file while it is replaced: its lock, or nothing elsewhere. And of
// one that was tried the record of that would be lost with the file.
std::optional<spool::SequenceLock> lock_queue_of(const std::filesystem::path& real, ino_t inode) {
  const std::filesystem::path jobs = real.parent_path();
  const spool::Queue queue(jobs.parent_path());
  const std::string lock_file = spool::SequenceLock::path_of(queue.sequence_path());
  if (jobs.filename() != "jobs" || !sys::status_of_path(lock_file)) return std::nullopt;
  auto lock = queue.lock();
  if (!lock) {
    throw Error(
        cat(printable(queue.dir()), " is busy: ", spool::describe_holder(queue.sequence_path())));
  }
  const auto record = spool::read_run_record(lock->fd());
  if (record && record->job && record->job->inode == inode &&
      record->job->file == real.filename()) {
    throw Error(cat(printable(real.string()), " was tried already (attempt ", record->job->attempt,
                    "), and another file would not be known as that job"));
  }
  return lock;
}

}  // namespace

void SealMaker::add(std::span<const uint8_t> bytes) {
  digest_.add(bytes);
  length_ += bytes.size();
}

packet::Seal SealMaker::seal() {
  return {.length = length_, .digest = digest_.finish()};
}

SealedInput::SealedInput(Input& input, const EndSignals& signals, std::string spool_dir)
    : input_(input), spool_dir_(std::move(spool_dir)) {
  struct stat status {};
  off_t start = -1;
  if (input.fd() >= 0) {
    status = sys::status_of(input.fd(), input.name());
    if (S_ISREG(status.st_mode)) start = ::lseek(input.fd(), 0, SEEK_CUR);
  }
  reads_twice_ = start >= 0;
  SealMaker maker;
  for (auto block = input.next(signals); !block.empty(); block = input.next(signals)) {
    maker.add(block);
    if (!reads_twice_) store(block);
  }
  seal_ = maker.seal();
  if (reads_twice_) sys::seek(input.fd(), start, input.name());
  if (disk_) sys::seek(disk_.get(), 0, spool_dir_);
  second_.emplace();
}

void SealedInput::store(std::span<const uint8_t> block) {
  if (!disk_ && memory_.size() + block.size() <= kInMemory) {
    memory_.insert(memory_.end(), block.begin(), block.end());
    return;
  }
  if (!disk_) {
    disk_ = sys::open_file(spool_dir_, O_TMPFILE | O_RDWR, 0600);
    block_.resize(kBlock);
  }
  sys::write_all(disk_.get(), block, printable(spool_dir_));
}

std::span<const uint8_t> SealedInput::next_again(const EndSignals& signals) {
  if (reads_twice_) return input_.next(signals);
  if (!std::exchange(memory_given_, true) && !memory_.empty()) return memory_;
  if (!disk_) return {};
  return std::span(block_).first(sys::read_some(disk_.get(), block_, printable(spool_dir_)));
}

std::span<const uint8_t> SealedInput::next(const EndSignals& signals) {
  const auto block = next_again(signals);
  second_->add(block);
  if (block.empty() && !(second_->seal() == seal_))
    throw Error(cat(input_.name(), " changed while it was read"));
  return block;
}

namespace {

// What is there now, or nothing that is to be done to it.
void check_sealed(int fd, const packet::Seal& seal, const std::string& path) {
  pipeline::SealCheck check(seal);
  try {
    read_rest(fd, printable(path), [&](auto block) { check.add(block); });
    check.finish();
  } catch (const pipeline::BrokenSeal& broken) {
    throw broken.with(cat(printable(path), " is sealed already"));
  }
}

packet::Metadata read_plain_header(int fd, const std::string& path) {
  try {
    return pipeline::read_header(fd, path).metadata();
  } catch (const packet::BadHeader& error) {
    const bool encoded = error.cause() == packet::BadHeader::Cause::encoded;
    throw Error(cat(printable(path), " ", error.message(),
                    encoded ? ": only a plain job file can be sealed" : ""));
  }
}

Sealing rewrite(const std::string& path, const Sign& sign, Unsealed unsealed) {
  // Behind a link lies the file that is to be sealed; a rename over the link would part the two.
  std::error_code code;
  const std::filesystem::path real = std::filesystem::canonical(path, code);
  if (code) throw Error(cat("open ", printable(path), ": ", code.message()), code);
  const std::string name = real.filename();
  const sys::Directory directory(real.parent_path());
  // O_NONBLOCK: a FIFO must not hang us.
  const sys::UniqueFd file = sys::open_file(real, O_RDONLY | O_NONBLOCK);
  const struct stat old = sys::status_of(file.get(), name);
  if (!S_ISREG(old.st_mode)) throw Error(cat(printable(path), " is not a regular file"));
  const auto lock = lock_queue_of(real, old.st_ino);
  packet::Metadata metadata = read_plain_header(file.get(), path);
  const std::optional<packet::Seal> sealed = metadata.seal;
  if (!sealed && unsealed == Unsealed::refused)
    throw Error(
        cat(printable(path), " is not sealed, so nobody can have signed it (penstock seal)"));
  if (sealed) {
    const off_t payload = ::lseek(file.get(), 0, SEEK_CUR);
    check_sealed(file.get(), *sealed, path);
    if (!sign) return Sealing::had_been;
    sys::seek(file.get(), payload, printable(path));
  }

  const auto header = [&] {
    metadata.signature.reset();
    if (sign) metadata.signature = sign(packet::encode_header(metadata));
    return packet::encode_header(metadata);
  };
  constexpr mode_t kPrivate = 0600;
  Replacement replacement(directory, kPrivate);
  if (!sealed) metadata.seal = packet::Seal{};
  sys::write_all(replacement.fd(), header(), printable(path));
  SealMaker maker;
  read_rest(file.get(), printable(path), [&](auto block) {
    maker.add(block);
    sys::write_all(replacement.fd(), block, printable(real.parent_path().string()));
  });
  metadata.seal = maker.seal();
  sys::pwrite_all(replacement.fd(), header(), 0, printable(path));
  give_to_owner(replacement.fd(), old, printable(path));
  const auto now = directory.status(name, sys::Links::keep);
  const auto as_read = spool::FileIdentity::of(old);
  if (!now || !(spool::FileIdentity::of(*now) == as_read) ||
      !(spool::FileIdentity::of(sys::status_of(file.get(), name)) == as_read) ||
      (sealed && !(*sealed == *metadata.seal))) {
    throw Error(cat(printable(path), " changed while it was read, and was left as it is"));
  }
  replacement.take_place_of(name);
  return Sealing::done;
}

}  // namespace

Sealing seal_file(const std::string& path) {
  return rewrite(path, nullptr, Unsealed::is_sealed);
}

void sign_file(const std::string& path, const Sign& sign, Unsealed unsealed) {
  rewrite(path, sign, unsealed);
}

}  // namespace penstock::work
