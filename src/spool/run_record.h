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

  bool operator==(const RecoveryRange&) const = default;
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

// Which attempt at the job it is to be, for PENSTOCK_ATTEMPT: one more than the last if the record
// has this very file in flight, else 1.
uint32_t next_attempt(const std::optional<RunRecord>& record, uint64_t number,
                      std::string_view name, const FileIdentity& id);

}  // namespace penstock::spool
