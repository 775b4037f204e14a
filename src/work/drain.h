// Draining a queue: the story of `queue-process`. Start reading here.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "spool/job_set.h"
#include "spool/queue.h"
#include "spool/recovery.h"
#include "spool/run_record.h"
#include "spool/sequence_file.h"
#include "work/job_run.h"
#include "work/run_failure.h"
#include "work/scanner.h"

namespace penstock::work {

enum class OrderBy { sequence, timestamp };

struct DrainSettings {
  std::string queue_dir;
  Decoding decoding;
  pipeline::Options options;
  JobSettings job;
  OrderBy order = OrderBy::sequence;
  spool::OnError on_error = spool::OnError::retry;
  bool never_delete = false;
  std::optional<uint64_t> max_jobs;
  uint64_t max_attempts = 1;  // with quarantine: before the job is moved aside
  bool rescan = true;
  bool remove_old = false;
  std::chrono::seconds lock_wait{0};
};

// How a run ended that did not fail.
struct DrainEnd {
  uint64_t done = 0;   // jobs attempted
  bool gap = false;    // later jobs wait for a number that is missing
  size_t skipped = 0;  // files without a readable header
  std::optional<int> interrupted_by;
};

class Drain {
 public:
  explicit Drain(const DrainSettings& settings);
  ~Drain();

  // Runs what is there, in order. Throws RunFailure (or Error) where the run must end with a
  // failure; jobs that were done until then are committed.
  DrainEnd run();

 private:
  // The story, in order.
  void lock_queue();
  void drain();
  void scan();
  void recover();
  std::optional<spool::Turn> next_turn();
  void run_and_commit(const spool::Turn& turn);
  void commit_done(const spool::Turn& turn);
  void commit_failed(const spool::Turn& turn, const JobEnd& end);
  void tell_what_waits();

  void begin_record();
  void end_record();
  void keep_record() noexcept;
  void begin_job(const spool::ScannedJob& job);
  void write_record(spool::Durable durable);
  void check_before_running(const spool::ScannedJob& job);
  enum class FileAfter { goes, stays };
  void advance_past(const spool::ScannedJob& job, FileAfter file);
  void remove(const spool::ScannedJob& job);
  void remove_all(const spool::Turn& turn);
  std::optional<spool::ScannedJob> job_after(const spool::ScannedJob& job) const;
  JobContext context() {
    return {engine_, settings_.options, settings_.job, *interruption_, *progress_};
  }

  const DrainSettings& settings_;
  spool::Queue queue_;
  std::optional<spool::SequenceLock> lock_;
  std::optional<spool::SequenceFile> sequence_;  // Sequence order only
  uint64_t next_ = 0;
  std::optional<spool::RunRecord> last_record_;
  spool::RunRecord record_;
  spool::RecoveryRange own_range_;
  bool record_is_durable_ = false;
  bool tried_any_ = false;
  std::optional<spool::JobDirectory> jobs_;
  spool::JobSet set_;
  std::vector<spool::ScannedJob> by_time_;  // Timestamp order, latest first
  bool timestamps_listed_ = false;
  bool removed_any_ = false;
  bool command_checked_ = false;
  int changed_in_a_row_ = 0;
  DrainEnd end_;

  pipeline::Engine engine_;
  std::optional<Interruption> interruption_;
  std::optional<Progress> progress_;
  std::optional<Scanner> scanner_;
};

}  // namespace penstock::work
