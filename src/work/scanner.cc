#include "work/scanner.h"

#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "sys/files.h"
#include "work/run_failure.h"

namespace penstock::work {

using namespace std::chrono_literals;

namespace {

// Decoders that were let go and have not ended yet.
constexpr size_t kMostRetiring = 16;

size_t readings_at_once() {
  return std::clamp(std::thread::hardware_concurrency(), 2U, 8U);
}

std::optional<uint64_t> sealed_bytes(const packet::Metadata& metadata) {
  return metadata.seal ? std::optional(metadata.seal->length) : std::nullopt;
}

}  // namespace

Scanner::Scanner(pipeline::Engine& engine, const pipeline::Options& options,
                 const spool::JobDirectory& jobs, const Decoding& decoding)
    : engine_(engine), options_(options), jobs_(jobs), decoding_(decoding) {}

Scanner::~Scanner() {
  try {
    if (parked_) retire(std::move(parked_->upstream));
    if (ahead_) {
      ahead_->header.reset();
      retire(std::move(ahead_->upstream));
    }
    for (const auto& reading : readings_) {
      reading->header.reset();
      retire(std::move(reading->upstream));
    }
    // They end by SIGPIPE, or are ended within a second or two; nothing of ours is left behind.
    engine_.loop.run_until([this] {
      bury_the_dead();
      return retiring_.empty();
    });
  } catch (const Error& error) {
    Log::debug(error.message());  // the keeper ends what is left, when we do
  }
}

void Scanner::scan(spool::JobSet& set, std::optional<uint64_t> wanted,
                   const std::function<bool()>& cancelled) {
  skipped_for_.clear();
  for (const std::string& name : jobs_.names()) {
    if (cancelled()) break;
    auto opened = jobs_.open(name);
    if (const auto* none = std::get_if<spool::NoJobFile>(&opened)) {
      if (none->why != spool::NoJobFile::Why::vanished) skip(name, {}, none->reason);
      continue;
    }
    auto& file = std::get<spool::JobFile>(opened);
    if (set.knows(name, file.id)) continue;
    const auto bad = unreadable_.find(name);
    if (bad != unreadable_.end() && bad->second == file.id) continue;

    if (!decoding_.plan) {
      read_plain(name, std::move(file), set);
      continue;
    }
    readings_.push_back(start_reading(name, std::move(file)));
    engine_.loop.run_until([&] {
      collect_finished(set, wanted);
      return cancelled() ||
             (readings_.size() < readings_at_once() && retiring_.size() < kMostRetiring);
    });
  }
  engine_.loop.run_until([&] {
    collect_finished(set, wanted);
    return readings_.empty() || cancelled();
  });
  summarize_skipped();
}

void Scanner::collect_finished(spool::JobSet& set, std::optional<uint64_t> wanted) {
  for (auto reading = readings_.begin(); reading != readings_.end();) {
    if (!(*reading)->done) {
      ++reading;
      continue;
    }
    const std::unique_ptr<Reading> over = std::move(*reading);
    reading = readings_.erase(reading);
    finish_reading(*over, set, wanted);
  }
  bury_the_dead();
}

void Scanner::read_plain(const std::string& name, spool::JobFile file, spool::JobSet& set) {
  try {
    const packet::HeaderReader header = pipeline::read_file_header(file.fd.get(), name);
    if (const auto objection = objection_to(header)) {
      skip(name, file.id, *objection);
      return;
    }
    set.add({.name = name,
             .number = header.metadata().sequence,
             .created = header.metadata().created,
             .id = file.id,
             .sealed_bytes = sealed_bytes(header.metadata())});
  } catch (const packet::BadHeader& error) {
    const bool encoded = error.cause() == packet::BadHeader::Cause::encoded;
    skip(name, file.id, error.message() + (encoded ? ": was --decoder (-d) forgotten?" : ""));
  } catch (const Error& error) {
    skip(name, file.id, error.message());
  }
}

std::optional<std::string> Scanner::objection_to(const packet::HeaderReader& header) const {
  return decoding_.trust ? decoding_.trust->objection_to(header) : std::nullopt;
}

std::unique_ptr<pipeline::Upstream> Scanner::decode(sys::UniqueFd file) {
  const bool direct = options_.gate && *options_.gate != pipeline::GateStrength::hold;
  return std::make_unique<pipeline::Upstream>(
      engine_, options_,
      pipeline::Upstream::Config{.stages = decoding_.plan->stages,
                                 .input = std::move(file),
                                 .feeds_command = direct && !options_.verify_before,
                                 .tap = pipeline::Forward::no});
}

std::unique_ptr<Scanner::Reading> Scanner::start_reading(const std::string& name,
                                                         spool::JobFile file) {
  auto reading = std::make_unique<Reading>();
  reading->name = name;
  reading->id = file.id;
  sys::set_blocking(file.fd.get());  // a stage would see the flag
  reading->upstream = decode(std::move(file.fd));
  Reading* raw = reading.get();
  reading->header = std::make_unique<pipeline::HeaderRead>(
      engine_, options_, *reading->upstream, decoding_.header_timeout, [raw] { raw->done = true; });
  return reading;
}

void Scanner::finish_reading(Reading& reading, spool::JobSet& set, std::optional<uint64_t> wanted) {
  using Result = pipeline::HeaderRead::Result;
  const std::unique_ptr<pipeline::HeaderRead> header = std::move(reading.header);
  switch (header->result()) {
    case Result::ok: {
      if (const auto objection = objection_to(header->header())) {
        skip(reading.name, reading.id, *objection);
        retire(std::move(reading.upstream));
        return;
      }
      spool::ScannedJob job{.name = reading.name,
                            .number = header->metadata().sequence,
                            .created = header->metadata().created,
                            .id = reading.id,
                            .sealed_bytes = sealed_bytes(header->metadata())};
      set.add(job);
      if (!parked_ && wanted && job.number == *wanted) {
        parked_ = std::make_unique<Parked>(Parked{.job = std::move(job),
                                                  .metadata = header->metadata(),
                                                  .upstream = std::move(reading.upstream)});
      } else {
        retire(std::move(reading.upstream));
      }
      return;
    }
    case Result::undecodable:
      if (reading.id.size == 0) {
        skip(reading.name, reading.id, "is empty");
      } else {
        skip(reading.name, reading.id, header->reason(),
             header->decoder_is_at_fault() ? 1 : kToldForOneReason);
      }
      retire(std::move(reading.upstream));
      return;
    case Result::cannot_start:
      retire(std::move(reading.upstream));
      throw RunFailure(FailureKind::unavailable,
                       cat("the decoder cannot be run: ", header->reason()));
    case Result::timed_out:
      retire(std::move(reading.upstream));
      // Never a skip: that would look like a gap.
      throw Error(cat(printable(reading.name), ": the decoder gave ", header->reason(),
                      " (see --header-timeout)"));
    case Result::pending:
      retire(std::move(reading.upstream));
      return;
  }
}

void Scanner::skip(const std::string& name, const spool::FileIdentity& id,
                   const std::string& reason, size_t told_at_most) {
  if (const auto known = unreadable_.find(name); known != unreadable_.end() && known->second == id)
    return;
  unreadable_[name] = id;
  ++skipped_total_;
  const std::string line = cat(printable(name), " is skipped: ", reason);
  SkippedFor& files = skipped_for_[reason];
  if (files.told < told_at_most || Log::level() >= LogLevel::debug) {
    Log::warn(line);
    ++files.told;
  } else {
    ++files.untold;
  }
}

void Scanner::summarize_skipped() {
  for (const auto& [reason, files] : skipped_for_) {
    if (files.untold == 0) continue;
    Log::warn(cat("and ", files.untold, files.untold == 1 ? " more file is" : " more files are",
                  " skipped for the same reason: ", reason, " (-l debug names them)"));
  }
}

void Scanner::retire(std::unique_ptr<pipeline::Upstream> upstream) {
  if (!upstream) return;
  upstream->processes().set_listener([] {});
  upstream->retire();
  retiring_.push_back(std::move(upstream));
}

void Scanner::bury_the_dead() {
  std::erase_if(retiring_, [](const auto& upstream) { return upstream->is_gone(); });
}

std::unique_ptr<Parked> Scanner::take_parked(const spool::ScannedJob& job) {
  std::unique_ptr<Parked> parked = std::move(parked_);
  if (!parked || parked->job == job) return parked;
  // It was kept for this turn, which another file got: a copy, or one that came later.
  retire(std::move(parked->upstream));
  return nullptr;
}

void Scanner::look_ahead(const spool::ScannedJob& job) {
  if (!decoding_.plan || ahead_ || parked_) return;
  auto opened = jobs_.open(job.name);
  auto* file = std::get_if<spool::JobFile>(&opened);
  if (file == nullptr || !(file->id == job.id)) return;
  ahead_ = start_reading(job.name, std::move(*file));
}

std::optional<Scanner::Opened> Scanner::open(const spool::ScannedJob& job, std::string& reason,
                                             const std::function<bool()>& cancelled) {
  const std::unique_ptr<Parked> parked = take_parked(job);
  auto opened = jobs_.open(job.name);
  if (const auto* none = std::get_if<spool::NoJobFile>(&opened)) {
    if (parked) retire(std::move(parked->upstream));
    using Why = spool::NoJobFile::Why;
    reason = none->why == Why::vanished     ? "is gone"
             : none->why == Why::unreadable ? cat("cannot be read: ", none->reason)
                                            : none->reason;
    return std::nullopt;
  }
  Opened result{.file = std::move(std::get<spool::JobFile>(opened))};
  if (!(result.file.id == job.id)) {
    if (parked) retire(std::move(parked->upstream));
    reason = "was replaced after its header had been read";
    return std::nullopt;
  }
  if (!decoding_.plan) {
    try {
      const packet::HeaderReader header =
          pipeline::read_file_header(result.file.fd.get(), job.name);
      if (const auto objection = objection_to(header)) {
        reason = *objection;
        return std::nullopt;
      }
      result.metadata = header.metadata();
      result.payload_offset = header.header_bytes();
      sys::set_blocking(result.file.fd.get());
      sys::seek(result.file.fd.get(), static_cast<off_t>(result.payload_offset), job.name);
    } catch (const packet::BadHeader& error) {
      reason = error.message();
      return std::nullopt;
    } catch (const Error& error) {
      reason = cat("cannot be read: ", error.message());
      return std::nullopt;
    }
  } else if (parked) {
    result.metadata = std::move(parked->metadata);
    result.upstream = std::move(parked->upstream);
  } else {
    std::unique_ptr<Reading> reading = std::move(ahead_);
    if (reading && (reading->name != job.name || !(reading->id == job.id))) {
      reading->header.reset();
      retire(std::move(reading->upstream));
      reading.reset();
    }
    if (!reading) {
      reading = start_reading(job.name, {.fd = sys::duplicate(result.file.fd.get()), .id = job.id});
    }
    engine_.loop.run_until([&] { return reading->done || cancelled(); });
    const bool done = reading->done;
    const std::unique_ptr<pipeline::HeaderRead> header = std::move(reading->header);
    if (header->result() != pipeline::HeaderRead::Result::ok) {
      if (!done) {
        retire(std::move(reading->upstream));
        reason = "was not read to its end";
        return std::nullopt;
      }
      if (header->result() != pipeline::HeaderRead::Result::undecodable) {
        retire(std::move(reading->upstream));
        const bool started = header->result() != pipeline::HeaderRead::Result::cannot_start;
        throw RunFailure(started ? FailureKind::io : FailureKind::unavailable,
                         cat(printable(job.name), ": the decoder ",
                             started ? "gave " : "cannot be run: ", header->reason(),
                             started ? " (see --header-timeout)" : ""));
      }
      reason = cat("cannot be decoded any more: ", header->reason());
      retire(std::move(reading->upstream));
      return std::nullopt;
    }
    if (const auto objection = objection_to(header->header())) {
      reason = *objection;
      retire(std::move(reading->upstream));
      return std::nullopt;
    }
    result.metadata = header->metadata();
    result.upstream = std::move(reading->upstream);
  }
  if (result.upstream && result.upstream->tap() != nullptr) result.upstream->tap()->forward_all();
  if (result.metadata.sequence != job.number) {
    reason = cat("has become job ", result.metadata.sequence);
    if (result.upstream) retire(std::move(result.upstream));
    return std::nullopt;
  }
  return result;
}

}  // namespace penstock::work
