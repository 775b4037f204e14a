// The one line in nextseq.lock about who runs the queue and what is in flight. fspl neither reads
// nor touches it. "Busy" messages quote it, PENSTOCK_ATTEMPT comes from it, recovery reads it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "spool/file_identity.h"

namespace penstock::spool {

// The words are on disk: do not change them.
enum class OnError { retry, remove, leave, quarantine };

struct JobInFlight {
  uint64_t number = 0;
  std::string file;    // its name in jobs/
  uint64_t inode = 0;  // no device: its number may be another one after a reboot
  uint32_t attempt = 1;
  // To be set, and written, just before nextseq moves past it, if its file is to go then.
  bool done = false;
  // nextseq said its number when this was written: with `done` it says that or the next one now.
  bool is_next = false;
  // How its last attempt ended, for PENSTOCK_PREVIOUS ("failed: exit 3", "interrupted"); empty
  // while it runs. And when, if it failed.
  std::string end;
  Timestamp failed_at;

  bool operator==(const JobInFlight&) const = default;
};

// The jobs that may have been removed, though a power cut may bring their files back: those
// numbered `first` and more that were here before `before`. Kept as it is until recovery has
// finished.
struct RecoveryRange {
  uint64_t first = 0;
  Timestamp before;
  std::string boot;             // sys::boot_id() then; within one boot removals are not undone
  uint64_t sequence_inode = 0;  // nextseq then: another one now was put there by somebody else
  Timestamp sequence_born;      // the same; zero where the file system does not tell

  bool operator==(const RecoveryRange&) const = default;
};

// Jobs that were moved to the quarantine one after another, without one between that succeeded:
// where one of a chain is missing, all later ones fail.
struct QuarantineRow {
  uint32_t count = 0;
  uint64_t first = 0;  // the first one's number
  std::string first_file;
  uint64_t last = 0;

  // A job counts once, however often a kill has it moved again.
  void add(uint64_t number, std::string_view file);
  bool operator==(const QuarantineRow&) const = default;
};

struct RunRecord {
  pid_t pid = 0;
  uint64_t start = 0;  // sys::start_time_of(pid)
  std::string host;
  Timestamp since;
  RecoveryRange range;
  OnError on_error = OnError::retry;
  bool never_delete = false;
  bool ended = false;  // the run is over; what stays is the attempt count of the job that failed
  std::optional<JobInFlight> job;
  QuarantineRow row;

  bool operator==(const RunRecord&) const = default;

  // Of this process, now: pid, start, host, since, and a range that begins at `next` now.
  static RunRecord of_this_process(uint64_t next, uint64_t sequence_inode);
};

// More than this is neither written nor read.
inline constexpr size_t kMaxRecordBytes = 4096;

// One line with its newline, padded with blanks to a multiple of 512 bytes, so that overwriting it
// neither changes the file's size nor crosses a sector.
std::string encode(const RunRecord& record);
// Nothing for anything that encode() has not written, whole: also for a line torn by a power cut.
std::optional<RunRecord> decode_run_record(std::string_view text);

// The record in an open FILE.lock, if there is one.
std::optional<RunRecord> read_run_record(int lock_fd);
enum class Durable { no, yes };
// Replaces it, in place. The first one of a run is made durable, later ones are not.
void write_run_record(int lock_fd, const RunRecord& record, Durable durable);
// Leaves an empty file, as a run that ended well does (after JobDirectory::sync()).
void clear_run_record(int lock_fd);

// What has become of the process that wrote a record.
enum class HolderState {
  alive,
  gone,       // no process of that pid and start time on this host
  elsewhere,  // another host's
};
HolderState holder_state(const RunRecord& record);

// "held by process 4711 on host x since 2026-11-22T17:00:01+00:00, running job 7 (fspl-x.fspl)",
// and what is known about that process if it is not alive. "held by another process" without a
// record.
std::string holder_sentence(const std::optional<RunRecord>& record, HolderState state);
// The same for FILE.lock of `file`, as far as it can be read: for the message about a busy lock.
std::string describe_holder(const std::string& file);

// What JobInFlight::end says, and PENSTOCK_PREVIOUS, of an attempt that was cut short.
inline constexpr std::string_view kInterrupted = "interrupted";

// What a job's command is told about earlier attempts at it.
struct Attempt {
  uint32_t number = 1;   // PENSTOCK_ATTEMPT
  std::string previous;  // PENSTOCK_PREVIOUS: how the last one ended; empty for the first
};
// Which attempt at the job it is to be: one more than the last if the record has this very file in
// flight, else the first.
Attempt next_attempt(const std::optional<RunRecord>& record, uint64_t number, std::string_view name,
                     const FileIdentity& id);

}  // namespace penstock::spool
