// A sequence file: the sender's FILE, or a queue's nextseq, whose overwriting is the commit.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/time.h"
#include "spool/sequence_lock.h"
#include "sys/unique_fd.h"

namespace penstock::spool {

// The file of a lock that is held, open for reading and writing. It is overwritten in place: mode,
// owner, hard and symbolic links stay, and no FILE.temp is used or looked at (D18, D50).
class SequenceFile {
 public:
  // Throws Error if the file is missing (D17), no regular file, or may not be written by us.
  static SequenceFile open(const SequenceLock& lock);
  // The same, but a missing file is created, durably, holding `initial`: the sender's side, and
  // set-next, which repairs whatever it finds (D16). A dangling link gets its target.
  static SequenceFile open_or_create(const SequenceLock& lock, uint64_t initial = 1);

  // Throws an Error that names the file, what stands in it, and the command that sets it.
  uint64_t read() const;
  // The same with nothing where no number stands; throws if the file cannot be read.
  std::optional<uint64_t> try_read() const;
  // The commit: once it returns, `number` survives a power cut; whenever it is interrupted, the
  // file reads as before or as `number`. What stood there need not have been a number. Throws Error
  // if the name has come to lead to another file meanwhile: then nothing was written.
  void write(uint64_t number);
  // Throws now what write() would throw, as far as one can know: to be called before a command runs
  // (D12).
  void check_writable() const;

  const std::string& path() const { return path_; }
  // Which file this is, for a RunRecord: fspl replaces it, we do not.
  uint64_t inode() const { return inode_; }
  // When it came into being; zero where the file system does not tell.
  Timestamp born() const;

 private:
  SequenceFile(const SequenceLock& lock, sys::UniqueFd fd);
  void check_name() const;

  std::string path_;
  SequenceLock::Side side_;
  sys::UniqueFd fd_;
  uint64_t device_ = 0;
  uint64_t inode_ = 0;
};

// Without the lock: read twice until both say the same (D31). Throws as SequenceFile::read() does;
// a missing file is an Error too.
uint64_t read_sequence_unlocked(const std::string& path);

}  // namespace penstock::spool
