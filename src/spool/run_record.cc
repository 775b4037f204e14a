#include "spool/run_record.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>

#include "base/error.h"
#include "base/text.h"
#include "spool/sequence_lock.h"
#include "sys/beneath.h"
#include "sys/files.h"
#include "sys/process.h"

namespace penstock::spool {

namespace {

bool is_alive(pid_t pid, uint64_t start) {
  if (const auto found = sys::start_time_of(pid)) return *found == start;
  // A mount of /proc may hide other users' processes: then its pid has to do.
  const auto pidfd = sys::open_pidfd(pid);
  return pidfd && !sys::is_dead(pidfd->get());
}

}  // namespace

RunRecord RunRecord::of_this_process(uint64_t next, uint64_t sequence_inode) {
  const pid_t pid = ::getpid();
  const Timestamp now = Timestamp::now();
  return {
      .pid = pid,
      .start = sys::start_time_of(pid).value_or(0),
      .host = sys::host_name(),
      .since = now,
      .range = {
          .first = next, .before = now, .boot = sys::boot_id(), .sequence_inode = sequence_inode}};
}

void QuarantineRow::add(uint64_t number, std::string_view file) {
  if (count > 0 && number == last) return;
  if (count == 0) {
    first = number;
    first_file = file;
  }
  last = number;
  if (count < UINT32_MAX) ++count;
}

std::optional<RunRecord> read_run_record(int lock_fd) {
  return decode_run_record(sys::read_small_file(lock_fd, kMaxRecordBytes, "the lock file"));
}

void write_run_record(int lock_fd, const RunRecord& record, Durable durable) {
  const std::string line = encode(record);
  sys::pwrite_all(lock_fd, line, 0, "the lock file");
  const auto size = static_cast<off_t>(line.size());
  if (sys::status_of(lock_fd, "the lock file").st_size > size) {
    sys::truncate(lock_fd, size, "the lock file");
  }
  if (durable == Durable::yes) sys::sync_data(lock_fd, "the lock file");
}

// A block of most file systems.
constexpr off_t kRecordRoom = 4096;

void clear_run_record(int lock_fd) {
  sys::truncate(lock_fd, 0, "the lock file");
  // Room for the next one, where the file system can keep it: a full disk is freed by draining the
  // queue.
  static_cast<void>(::fallocate(lock_fd, FALLOC_FL_KEEP_SIZE, 0, kRecordRoom));
}

HolderState holder_state(const RunRecord& record) {
  if (record.host != sys::host_name()) return HolderState::elsewhere;
  return is_alive(record.pid, record.start) ? HolderState::alive : HolderState::gone;
}

std::string holder_sentence(const std::optional<RunRecord>& record, HolderState state) {
  if (!record || record->ended) return "held by another process";
  std::string text = cat("held by process ", record->pid, " on host ", printable(record->host),
                         " since ", rfc3339_local(record->since));
  if (record->job) {
    text += cat(", running job ", record->job->number, " (", printable(record->job->file), ")");
  }
  if (state == HolderState::gone) {
    text += " (that process is gone; a child of it may still hold the lock)";
  }
  return text;
}

std::string describe_holder(const std::string& file) {
  std::optional<RunRecord> record;
  const auto fd =
      sys::try_open_unplanted(SequenceLock::path_of(file), O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (fd && S_ISREG(sys::status_of(fd->get(), "the lock file").st_mode)) {
    record = read_run_record(fd->get());
  }
  return holder_sentence(record, record ? holder_state(*record) : HolderState::alive);
}

Attempt next_attempt(const std::optional<RunRecord>& record, uint64_t number, std::string_view name,
                     const FileIdentity& id) {
  if (!record || !record->job) return {};
  const JobInFlight& job = *record->job;
  if (job.number != number || job.file != name || job.inode != id.inode) return {};
  Attempt attempt{.number = job.attempt == UINT32_MAX ? UINT32_MAX : job.attempt + 1,
                  .previous = job.end};
  if (attempt.previous.empty()) {
    // A run that ended without a word about it was stopped by an error of its own, or an older
    // version.
    attempt.previous = record->ended ? std::string_view("unknown") : kInterrupted;
  }
  return attempt;
}

}  // namespace penstock::spool
