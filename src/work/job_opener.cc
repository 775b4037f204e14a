#include "work/job_opener.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "pipeline/header_read.h"
#include "sys/files.h"
#include "work/run_failure.h"

namespace penstock::work {

JobOpener::JobOpener(Readings& readings, const spool::JobDirectory& jobs)
    : readings_(readings), jobs_(jobs), decoding_(readings.decoding()) {}

JobOpener::~JobOpener() {
  try {
    if (parked_) readings_.retire(std::move(parked_->upstream));
    for (const auto& reading : ahead_) readings_.let_go(*reading);
  } catch (const Error& error) {
    Log::debug(error.message());  // the keeper ends what is left, when we do
  }
}

void JobOpener::park(Parked parked) {
  parked_ = std::make_unique<Parked>(std::move(parked));
}

std::unique_ptr<Parked> JobOpener::take_parked(const spool::ScannedJob& job) {
  std::unique_ptr<Parked> parked = std::move(parked_);
  if (!parked || parked->job == job) return parked;
  // It was kept for this turn, which another file got: a copy, or one that came later.
  readings_.retire(std::move(parked->upstream));
  return nullptr;
}

void JobOpener::look_ahead(const std::vector<spool::ScannedJob>& jobs) {
  if (!decoding_.plan && !jobs.empty()) open_ahead(jobs.front());
  if (!decoding_.plan || parked_ || !readings_.may_run_side_by_side()) return;
  try {
    begin_ahead(jobs);
  } catch (const Error& error) {
    Log::debug(error.message());  // its turn will tell; the job that runs has nothing to do with it
  }
}

void JobOpener::begin_ahead(const std::vector<spool::ScannedJob>& jobs) {
  for (const spool::ScannedJob& job : jobs) {
    const bool is_begun = std::ranges::any_of(
        ahead_, [&](const auto& reading) { return reading->is_of(job.name, job.id); });
    if (is_begun) continue;
    auto opened = jobs_.open(job.name);
    auto* file = std::get_if<spool::JobFile>(&opened);
    if (file == nullptr || !(file->id == job.id)) return;
    ahead_.push_back(readings_.start_turn(job.name, std::move(*file)));
  }
}

void JobOpener::open_ahead(const spool::ScannedJob& job) {
  std::string why_not;
  OpenedAhead ahead{.job = job};
  if (open_file(job, ahead.opened, why_not) && read_plain(job, ahead.opened, why_not))
    opened_ = std::move(ahead);
}

std::optional<OpenedJob> JobOpener::take_opened(const spool::ScannedJob& job) {
  std::optional<OpenedAhead> ahead = std::exchange(opened_, std::nullopt);
  if (!ahead || !(ahead->job == job)) return std::nullopt;
  const auto seen = jobs_.look_at(job.name);
  if (!seen || !(seen->id == job.id)) return std::nullopt;
  return std::move(ahead->opened);
}

std::unique_ptr<Reading> JobOpener::take_ahead(const spool::ScannedJob& job) {
  while (!ahead_.empty()) {
    std::unique_ptr<Reading> reading = std::move(ahead_.front());
    ahead_.pop_front();
    if (reading->is_of(job.name, job.id)) return reading;
    readings_.let_go(*reading);
  }
  return nullptr;
}

std::optional<OpenedJob> JobOpener::open(const spool::ScannedJob& job, std::string& reason,
                                         const std::function<bool()>& cancelled,
                                         const std::function<void()>& waits) {
  if (auto ahead = take_opened(job)) return ahead;
  const std::unique_ptr<Parked> parked = take_parked(job);
  OpenedJob opened;
  if (!open_file(job, opened, reason)) {
    if (parked) readings_.retire(std::move(parked->upstream));
    return std::nullopt;
  }
  if (parked) {
    opened.metadata = std::move(parked->metadata);
    opened.upstream = std::move(parked->upstream);
  } else {
    const bool has_header = decoding_.plan ? read_decoded(job, opened, reason, cancelled, waits)
                                           : read_plain(job, opened, reason);
    if (!has_header) return std::nullopt;
  }
  if (opened.upstream && opened.upstream->tap() != nullptr) opened.upstream->tap()->forward_all();
  return opened;
}

bool JobOpener::open_file(const spool::ScannedJob& job, OpenedJob& opened,
                          std::string& reason) const {
  auto found = jobs_.open(job.name);
  if (const auto* none = std::get_if<spool::NoJobFile>(&found)) {
    using Why = spool::NoJobFile::Why;
    reason = none->why == Why::vanished     ? "is gone"
             : none->why == Why::unreadable ? cat("cannot be read: ", none->reason)
                                            : none->reason;
    return false;
  }
  opened.file = std::move(std::get<spool::JobFile>(found));
  if (opened.file.id == job.id) return true;
  reason = "was replaced after its header had been read";
  return false;
}

bool JobOpener::read_plain(const spool::ScannedJob& job, OpenedJob& opened,
                           std::string& reason) const {
  const int fd = opened.file.fd.get();
  try {
    const packet::HeaderReader header = pipeline::read_file_header(fd, job.name);
    if (const auto objection = decoding_.objection_to(header)) {
      reason = *objection;
      return false;
    }
    opened.metadata = header.metadata();
    opened.payload_offset = header.header_bytes();
    sys::set_blocking(fd);
    sys::seek(fd, static_cast<off_t>(opened.payload_offset), job.name);
    return true;
  } catch (const packet::BadHeader& error) {
    reason = error.message();
  } catch (const Error& error) {
    reason = cat("cannot be read: ", error.message());
  }
  return false;
}

bool JobOpener::read_decoded(const spool::ScannedJob& job, OpenedJob& opened, std::string& reason,
                             const std::function<bool()>& cancelled,
                             const std::function<void()>& waits) {
  std::unique_ptr<Reading> reading = take_ahead(job);
  if (!reading) {
    reading =
        readings_.start_turn(job.name, {.fd = sys::duplicate(opened.file.fd.get()), .id = job.id});
  }
  if (reading->whole) return take_whole(*reading->whole, opened, reason);
  if (!reading->done) waits();
  readings_.engine().loop.run_until([&] { return reading->done || cancelled(); });
  const bool done = reading->done;
  const std::unique_ptr<pipeline::HeaderRead> header = std::move(reading->header);
  if (header->result() != pipeline::HeaderRead::Result::ok) {
    readings_.retire(std::move(reading->upstream));
    reason = why_no_header(*header, done, job);
    return false;
  }
  if (const auto objection = decoding_.objection_to(header->header())) {
    readings_.retire(std::move(reading->upstream));
    reason = *objection;
    return false;
  }
  opened.metadata = header->metadata();
  opened.upstream = std::move(reading->upstream);
  return true;
}

// Throws where the run must end.
std::string JobOpener::why_no_header(const pipeline::HeaderRead& header, bool done,
                                     const spool::ScannedJob& job) const {
  using Result = pipeline::HeaderRead::Result;
  if (!done) return "was not read to its end";
  const bool is_only_late = header.result() == Result::timed_out && decoding_.only_signed_count();
  if (header.result() == Result::undecodable || is_only_late)
    return cat("cannot be decoded any more: ", header.reason());
  if (header.result() == Result::cannot_start) {
    throw RunFailure(FailureKind::unavailable, cat(printable(job.name), ": the decoder cannot be ",
                                                   "run: ", header.reason()));
  }
  throw RunFailure(FailureKind::io, cat(printable(job.name), ": the decoder gave ", header.reason(),
                                        " (see --header-timeout)"));
}

bool JobOpener::take_whole(HeaderPeek::Whole& whole, OpenedJob& opened, std::string& reason) const {
  if (const auto objection = decoding_.objection_to(whole.header)) {
    reason = *objection;
    return false;
  }
  opened.metadata = whole.header.metadata();
  opened.decoded = std::move(whole.payload);
  return true;
}

}  // namespace penstock::work
