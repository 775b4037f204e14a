// spool/: a queue directory on disk: its numbers, its names, its lock, who runs it and what a dead
// run left behind. It knows no pipelines, no decoders and nothing that is inside a job file.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spool/job_directory.h"
#include "spool/sequence_lock.h"
#include "sys/directory.h"

namespace penstock::spool {

// What --queuedir leads to. Nothing is opened before it is asked for, as the commands on numbers
// need no jobs/.
class Queue {
 public:
  // `dir` is taken as bytes, as given; paths are made by plain concatenation ("q/" gives
  // "q//jobs/x"), since FSPL_JOB_FULLPATH shows them.
  explicit Queue(std::string dir) : dir_(std::move(dir)) {}

  const std::string& dir() const { return dir_; }
  std::string sequence_path() const { return dir_ + "/nextseq"; }
  std::string jobs_path() const { return dir_ + "/jobs"; }
  std::string job_path(std::string_view name) const;
  // DIR/penstock, which only some queues have.
  std::string private_path() const { return dir_ + "/penstock"; }

  // Nothing if the lock is held when `limit` is over. An append-only queue is an Error that says
  // so.
  std::optional<SequenceLock> lock(std::chrono::nanoseconds limit = {}) const;
  // Throws an Error that says what is wrong with the queue if there is no jobs/ or it cannot be
  // read.
  JobDirectory jobs() const;
  // The same for those who only write there.
  sys::Directory jobs_directory() const;

  // What queue-set-next does, under the lock: creates or repairs nextseq (D16). Forgets the run
  // record first, since its range would count jobs as done that are skipped now.
  static void set_next(const SequenceLock& lock, uint64_t number);

  struct InitOptions {
    bool append_only = false;   // only DIR and DIR/jobs: no lock, no nextseq
    bool private_mode = false;  // 0700 and 0600 whatever the umask allows (D47)
    bool repair = false;        // DIR may exist; only what is missing is made (D32)
  };
  // Makes a queue, durably, and returns the paths it made. Throws Error, with nothing left behind,
  // if DIR exists (unless repair), or its parent does not. A repair that finds a damaged number
  // makes all the rest, and throws then.
  static std::vector<std::string> init(const std::string& dir, const InitOptions& options);

 private:
  std::string dir_;
};

}  // namespace penstock::spool
