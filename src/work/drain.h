// Draining a queue: the story of `queue-process`. Start reading here.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spool/job_set.h"
#include "spool/queue.h"
#include "spool/recovery.h"
#include "spool/run_record.h"
#include "spool/sequence_file.h"
#include "work/job_run.h"
#include "work/lane_counts.h"
#include "work/retry_delay.h"
#include "work/run_failure.h"
#include "work/scanner.h"
#include "work/told.h"

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
  uint64_t max_attempts = 1;      // with quarantine: before the job is moved aside
  uint64_t quarantine_limit = 3;  // with quarantine: so many in a row end it; 0 is no limit
  std::optional<RetryDelay> retry_delay;
  bool rescan = true;
  bool remove_old = false;
  std::chrono::seconds lock_wait{0};
  uint64_t look_ahead = 1;             // jobs whose decoders are begun while another one runs
  std::chrono::seconds drain_time{0};  // after a signal, before the running job is ended
  // In a lane: where it counts, and after how long it makes room for others that wait, between two
  // jobs.
  LaneCounts* lane = nullptr;
  uint64_t lanes = 1;  // at work at the same time, this one among them
  std::optional<std::chrono::milliseconds> slice;
  Told* told = nullptr;  // what the runs before this one have said; null: there are none
};

// How a run ended that did not fail.
struct DrainEnd {
  uint64_t done = 0;             // jobs attempted
  bool more = false;             // the slice is over, and another job is ready
  bool gap = false;              // later jobs wait for a number that is missing
  bool delayed = false;          // the next one has failed, and its next attempt is not due yet
  std::optional<Timestamp> due;  // delayed: when it is
  size_t skipped = 0;            // files without a readable header
  std::optional<int> interrupted_by;
  bool cut_short = false;  // interrupted: a job was running
};

// "job 7 (fspl-x.fspl)"
std::string title_of(const spool::ScannedJob& job);

class Drain {
 public:
  explicit Drain(const DrainSettings& settings);
  ~Drain();

  // Runs what is there, in order. Throws RunFailure (or Error) where the run must end with a
  // failure; jobs that were done until then are committed.
  DrainEnd run();
  // The one that has come, also if run() has thrown.
  std::optional<int> signal() const {
    return interruption_ ? interruption_->signal() : std::nullopt;
  }
  // Whose turn it is, also if run() has thrown; nothing in order of time, or while that is in
  // doubt.
  std::optional<uint64_t> next() const {
    return interruption_ && sequence_ && !repaired_ ? std::optional(next_) : std::nullopt;
  }
  // The file of the job that was begun last, if it is not done; empty if there is none.
  std::string file_begun() const { return record_.job ? record_.job->file : std::string(); }

 private:
  // The story, in order.
  void lock_queue();
  uint64_t read_number();
  void confirm_repair();
  void drain();
  void scan();
  bool scanned_just_now() const;
  void leave_scanner();
  void recover();
  void stop_after_a_row() const;
  bool must_make_room() const;
  std::optional<spool::Turn> next_turn();
  bool must_wait(const spool::ScannedJob& job);
  void run_and_commit(const spool::Turn& turn);
  void commit_done(const spool::Turn& turn);
  void commit_failed(const spool::Turn& turn, const JobEnd& end);
  bool runs_again(const spool::Turn& turn, const JobEnd& end);
  bool passes_over(const spool::Turn& turn, const JobEnd& end);
  bool is_whole(const spool::ScannedJob& job);
  void tell_what_waits();
  void tell_interruption(int signal) const;
  // In a row of runs once for each `news`.
  void inform(const std::string& line, const std::string& news) const;

  void begin_record();
  void settle_record();
  void pass_over_quarantined();
  void end_record();
  // `failure`: what the run ends with, and people are told anyway.
  void keep_record(std::string_view failure = {}) noexcept;
  void forget_what_is_gone();
  spool::Attempt begin_job(const spool::ScannedJob& job);
  void write_record(spool::Durable durable);
  spool::QueueState queue_state() const;
  void check_before_running(const spool::ScannedJob& job);
  enum class FileAfter { goes, stays };
  void advance_past(const spool::ScannedJob& job, FileAfter file,
                    spool::Durable record = spool::Durable::no);
  void remove(const spool::ScannedJob& job);
  void remove_all(const spool::Turn& turn);
  void remove_twins(const spool::Turn& turn);
  // The decoders of the next ones, --look-ahead of them at most. `done`: jobs attempted with this.
  void begin_jobs_after(uint64_t number, uint64_t done);
  // Those whose turn comes next, as far as that is certain.
  std::vector<spool::ScannedJob> jobs_after(uint64_t number, uint64_t most) const;
  JobContext context() {
    return {engine_, settings_.options, settings_.job, *interruption_, *progress_};
  }

  const DrainSettings& settings_;
  spool::Queue queue_;
  std::optional<spool::SequenceLock> lock_;
  std::optional<spool::SequenceFile> sequence_;  // Sequence order only
  uint64_t next_ = 0;
  std::optional<uint64_t> repaired_;  // what a damaged nextseq said, as far as the record knows
  std::optional<spool::RunRecord> last_record_;
  spool::RunRecord record_;
  spool::RunRecord own_record_;      // without what earlier runs have left
  bool has_older_business_ = false;  // the range on record is an earlier run's
  bool record_is_durable_ = false;
  bool tried_any_ = false;
  std::optional<spool::JobDirectory> jobs_;
  spool::JobSet set_;
  struct Scan {
    std::optional<uint64_t> for_number;
    std::chrono::steady_clock::time_point began;
  };
  Scan scanned_;                            // the last one
  std::vector<spool::ScannedJob> by_time_;  // Timestamp order, latest first
  bool timestamps_listed_ = false;
  bool removed_any_ = false;
  bool holds_removed_ = false;
  // A small one, until the next command has begun, another one is removed, or the run is over.
  std::optional<sys::UniqueFd> removed_;
  bool command_checked_ = false;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::chrono::microseconds patience_{};  // with the end of the next job
  int stalled_in_a_row_ = 0;
  int changed_in_a_row_ = 0;
  std::optional<std::string> cut_short_;  // the job that was in flight when a signal came
  DrainEnd end_;

  pipeline::Engine engine_;
  std::optional<Interruption> interruption_;
  std::optional<Progress> progress_;
  std::optional<Scanner> scanner_;
};

}  // namespace penstock::work
