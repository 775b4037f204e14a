#include "work/scanner.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "sys/ed25519.h"
#include "sys/files.h"
#include "work/run_failure.h"

namespace penstock::work {

using namespace std::chrono_literals;

namespace {

// Decoders that were let go and have not ended yet.
constexpr size_t kMostRetiring = 16;

// A long scan that is killed begins again where it was stored last.
constexpr auto kSaveEvery = 5s;
// A file that could not be decoded is tried again after this time: a key may have come since.
constexpr int64_t kFailureHoldsSeconds = 600;
// Clocks of file systems go by ticks of 10 ms at most. A change within the tick in which a file was
// read would not show.
constexpr int64_t kTickNanoseconds = 100'000'000;

size_t readings_at_once(const Decoding& decoding) {
  if (decoding.readings_at_once != 0) return decoding.readings_at_once;
  return std::clamp(std::thread::hardware_concurrency(), 2U, 8U);
}

// Nothing without libsodium, which is told when the payload is to be checked.
std::optional<uint64_t> sealed_as(const packet::HeaderReader& header) {
  if (!header.metadata().seal) return std::nullopt;
  try {
    const auto digest = sys::blake2b_256(sys::as_bytes(header.sealed_header()));
    uint64_t first = 0;
    std::memcpy(&first, digest.data(), sizeof first);
    return first;
  } catch (const Error&) {
    return std::nullopt;
  }
}

// The file's ctime, unless that is of right now.
std::optional<Timestamp> stood_since(const Timestamp& changed) {
  const Timestamp now = Timestamp::now();
  const int64_t age = (now.seconds - changed.seconds) * 1'000'000'000 + now.nanoseconds -
                      int64_t{changed.nanoseconds};
  return now.seconds - changed.seconds > 1'000'000 || age > kTickNanoseconds
             ? std::optional(changed)
             : std::nullopt;
}

std::string_view path_of(const std::vector<std::string>& environment) {
  constexpr std::string_view kName = "PATH=";
  for (const std::string_view variable : environment) {
    if (variable.starts_with(kName)) return variable.substr(kName.size());
  }
  return {};
}

std::optional<uint64_t> sealed_bytes(const packet::Metadata& metadata) {
  return metadata.seal ? std::optional(metadata.seal->length) : std::nullopt;
}

bool is_still_the_job(const Scanner::Opened& opened, const spool::ScannedJob& job,
                      std::string& reason) {
  if (opened.metadata.sequence == job.number) return true;
  reason = cat("has become job ", opened.metadata.sequence);
  return false;
}

}  // namespace

Scanner::Scanner(pipeline::Engine& engine, const pipeline::Options& options,
                 const spool::Queue& queue, const spool::JobDirectory& jobs,
                 const Decoding& decoding, Told* told)
    : engine_(engine), options_(options), jobs_(jobs), decoding_(decoding), told_(told) {
  if (decoding.plan && decoding.index != Decoding::Index::none)
    index_.emplace(queue, decoding.description);
  if (decoding.plan && decoding.is_builtin)
    peek_ = HeaderPeek::of(*decoding.plan, path_of(engine.environment));
}

Scanner::~Scanner() {
  try {
    if (parked_) retire(std::move(parked_->upstream));
    for (const auto& reading : ahead_) {
      reading->header.reset();
      retire(std::move(reading->upstream));
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
  if (index_ && !std::exchange(index_is_loaded_, true)) index_->load();
  last_save_ = std::chrono::steady_clock::now();
  saw_every_file_ = false;
  const std::vector<std::string> names = jobs_.names();
  set.expect(names.size());
  is_first_scan_ = set.size() == 0 && unreadable_.empty();
  for (const std::string& name : names) {
    if (cancelled()) break;
    if (index_ && is_known(name, set)) continue;
    auto opened = jobs_.open(name);
    if (const auto* none = std::get_if<spool::NoJobFile>(&opened)) {
      if (none->why != spool::NoJobFile::Why::vanished) skip(name, {}, none->reason);
      continue;
    }
    auto& file = std::get<spool::JobFile>(opened);
    if (is_known_here(name, file.id, set)) continue;

    if (!decoding_.plan) {
      read_plain(name, file, set);
      continue;
    }
    if (peek_ && read_in_process(name, file, set)) {
      save_now_and_then(set);
      continue;
    }
    readings_.push_back(start_reading(name, std::move(file)));
    engine_.loop.run_until([&] {
      collect_finished(set, wanted);
      return cancelled() ||
             (readings_.size() < readings_at_once(decoding_) && retiring_.size() < kMostRetiring);
    });
    save_now_and_then(set);
  }
  engine_.loop.run_until([&] {
    collect_finished(set, wanted);
    return readings_.empty() || cancelled();
  });
  saw_every_file_ = !cancelled();
  summarize_skipped();
}

bool Scanner::is_known_here(const std::string& name, const spool::FileIdentity& id,
                            const spool::JobSet& set) const {
  if (is_first_scan_) return false;
  if (set.knows(name, id)) return true;
  const auto bad = unreadable_.find(name);
  return bad != unreadable_.end() && bad->second == id;
}

// One look at the name, where opening, reading and decoding would take so much longer.
bool Scanner::is_known(const std::string& name, spool::JobSet& set) {
  const auto seen = jobs_.look_at(name);
  if (!seen) return false;
  if (is_known_here(name, seen->id, set)) return true;
  const spool::IndexRow* row = index_->find(name, seen->id, seen->changed);
  if (row == nullptr) return false;
  if (const auto* header = std::get_if<spool::IndexedHeader>(&row->entry)) {
    set.add({.name = name,
             .number = header->number,
             .created = header->created,
             .id = seen->id,
             .sealed_bytes = header->sealed_bytes,
             .sealed_as = header->sealed_as,
             .stood_since = seen->changed});
    return true;
  }
  const auto& failure = std::get<spool::IndexedFailure>(row->entry);
  const Timestamp now = Timestamp::now();
  const int64_t age = now.seconds - failure.found.seconds;
  if (decoding_.index != Decoding::Index::failures || age < 0 || age >= kFailureHoldsSeconds)
    return false;
  // The time is no part of the reason, by which files are counted.
  skip(name, seen->id, failure.reason);
  ++failures_from_index_;
  return true;
}

void Scanner::save_now_and_then(const spool::JobSet& set) {
  const auto now = std::chrono::steady_clock::now();
  if (!index_ || now - last_save_ < kSaveEvery) return;
  save_index(set);
  last_save_ = now;
}

void Scanner::save_index(const spool::JobSet& set) {
  if (!index_ || !index_is_loaded_) return;
  set.for_each([this](const spool::ScannedJob& job) {
    if (!job.stood_since) return;
    const spool::IndexRow* row = index_->find(job.name, job.id, *job.stood_since);
    // What failed once may have been decoded since.
    if (row != nullptr && std::holds_alternative<spool::IndexedHeader>(row->entry)) return;
    if (row != nullptr) index_->forget(job.id);
    index_->add(job.name, job.id, *job.stood_since,
                spool::IndexedHeader{.number = job.number,
                                     .created = job.created,
                                     .sealed_bytes = job.sealed_bytes,
                                     .sealed_as = job.sealed_as});
  });
  index_->save(saw_every_file_ ? spool::HeaderIndex::Scan::whole
                               : spool::HeaderIndex::Scan::cut_short);
}

void Scanner::close_index(const spool::JobSet& set) {
  save_index(set);
  index_.reset();
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

void Scanner::read_plain(const std::string& name, const spool::JobFile& file, spool::JobSet& set) {
  try {
    take_header({.name = name, .id = file.id}, pipeline::read_file_header(file.fd.get(), name),
                set);
  } catch (const packet::BadHeader& error) {
    const bool encoded = error.cause() == packet::BadHeader::Cause::encoded;
    skip(name, file.id, error.message() + (encoded ? ": was --decoder (-d) forgotten?" : ""));
  } catch (const Error& error) {
    skip(name, file.id, error.message());
  }
}

bool Scanner::read_in_process(const std::string& name, const spool::JobFile& file,
                              spool::JobSet& set) {
  const auto header = peek_->read(file.fd.get());
  if (!header) return false;
  take_header({.name = name, .id = file.id, .stood_since = stood_since(file.changed)}, *header,
              set);
  return true;
}

std::optional<spool::ScannedJob> Scanner::take_header(const Source& source,
                                                      const packet::HeaderReader& header,
                                                      spool::JobSet& set) {
  if (const auto objection = objection_to(header)) {
    remember_failure(source, *objection);
    skip(source.name, source.id, *objection);
    return std::nullopt;
  }
  spool::ScannedJob job{.name = source.name,
                        .number = header.metadata().sequence,
                        .created = header.metadata().created,
                        .id = source.id,
                        .sealed_bytes = sealed_bytes(header.metadata()),
                        .sealed_as = sealed_as(header),
                        .stood_since = source.stood_since};
  set.add(job);
  return job;
}

bool Scanner::only_signed_count() const {
  return decoding_.trust && decoding_.trust->is_required();
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

std::unique_ptr<Scanner::Reading> Scanner::start_turn(const std::string& name,
                                                      spool::JobFile file) {
  if (peek_ && decoding_.takes_whole && file.id.size <= HeaderPeek::kMostOfFile) {
    if (auto whole = peek_->read_whole(file.fd.get())) {
      auto reading = std::make_unique<Reading>();
      reading->name = name;
      reading->id = file.id;
      reading->whole = std::move(whole);
      reading->done = true;
      return reading;
    }
  }
  return start_reading(name, std::move(file));
}

std::unique_ptr<Scanner::Reading> Scanner::start_reading(const std::string& name,
                                                         spool::JobFile file) {
  auto reading = std::make_unique<Reading>();
  reading->name = name;
  reading->id = file.id;
  reading->stood_since = stood_since(file.changed);
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
      auto job = take_header(reading, header->header(), set);
      if (job && !parked_ && wanted && job->number == *wanted) {
        parked_ = std::make_unique<Parked>(Parked{.job = std::move(*job),
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
        if (!header->decoder_is_at_fault()) remember_failure(reading, header->reason());
        skip(reading.name, reading.id, header->reason(),
             header->decoder_is_at_fault() ? 1 : kToldForOneReason);
      }
      retire(std::move(reading.upstream));
      return;
    case Result::cannot_start:
      retire(std::move(reading.upstream));
      throw RunFailure(FailureKind::unavailable,
                       cat("the decoder cannot be run: ", header->reason()));
    case Result::timed_out: {
      retire(std::move(reading.upstream));
      const std::string reason =
          cat("the decoder gave ", header->reason(), " (see --header-timeout)");
      // Anybody can make a file whose header never comes; who must be signed is missed as much by a
      // gap. Anywhere else it is never a skip, which would look like one.
      if (!only_signed_count()) throw Error(cat(printable(reading.name), ": ", reason));
      remember_failure(reading, reason);
      skip(reading.name, reading.id, reason);
      return;
    }
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
  if (told_ != nullptr && !told_->is_news(line)) return;
  // Each stranger's key is another one: told apart they would be told without end.
  SkippedFor& files =
      skipped_for_[reason.starts_with("is signed with key ") ? "is signed with an unknown key"
                                                             : reason];
  if (files.told < told_at_most || Log::level() >= LogLevel::debug) {
    Log::warn(line);
    ++files.told;
  } else {
    ++files.untold;
  }
}

void Scanner::remember_failure(const Source& source, const std::string& reason) {
  if (!index_ || !source.stood_since) return;
  index_->add(source.name, source.id, *source.stood_since,
              spool::IndexedFailure{.found = Timestamp::now(), .reason = reason});
}

void Scanner::pass_over(const spool::ScannedJob& job, const std::string& reason) {
  skip(job.name, job.id, reason);
}

void Scanner::summarize_skipped() {
  if (const size_t count = std::exchange(failures_from_index_, 0); count > 0 && told_ == nullptr) {
    Log::info(cat(count == 1 ? "one of them was" : cat(count, " of them were"),
                  " not tried again, as ", count == 1 ? "it" : "they",
                  " had failed less than 10 minutes ago (--retry-undecodable tries)"));
  }
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

void Scanner::look_ahead(const std::vector<spool::ScannedJob>& jobs) {
  if (!decoding_.plan || parked_) return;
  for (const spool::ScannedJob& job : jobs) {
    const bool is_begun = std::ranges::any_of(
        ahead_, [&](const auto& reading) { return reading->is_of(job.name, job.id); });
    if (is_begun) continue;
    auto opened = jobs_.open(job.name);
    auto* file = std::get_if<spool::JobFile>(&opened);
    if (file == nullptr || !(file->id == job.id)) return;
    ahead_.push_back(start_turn(job.name, std::move(*file)));
  }
}

std::unique_ptr<Scanner::Reading> Scanner::take_ahead(const spool::ScannedJob& job) {
  while (!ahead_.empty()) {
    std::unique_ptr<Reading> reading = std::move(ahead_.front());
    ahead_.pop_front();
    if (reading->is_of(job.name, job.id)) return reading;
    reading->header.reset();
    retire(std::move(reading->upstream));
  }
  return nullptr;
}

std::optional<Scanner::Opened> Scanner::open(const spool::ScannedJob& job, std::string& reason,
                                             const std::function<bool()>& cancelled) {
  auto opened = open_as_it_is(job, reason, cancelled);
  // The next scan would take it for good again.
  if (!opened && index_) index_->forget(job.id);
  return opened;
}

std::optional<Scanner::Opened> Scanner::open_as_it_is(const spool::ScannedJob& job,
                                                      std::string& reason,
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
    std::unique_ptr<Reading> reading = take_ahead(job);
    if (!reading) {
      reading = start_turn(job.name, {.fd = sys::duplicate(result.file.fd.get()), .id = job.id});
    }
    if (reading->whole) return take_whole(std::move(result), *reading->whole, job, reason);
    engine_.loop.run_until([&] { return reading->done || cancelled(); });
    const bool done = reading->done;
    const std::unique_ptr<pipeline::HeaderRead> header = std::move(reading->header);
    if (header->result() != pipeline::HeaderRead::Result::ok) {
      if (!done) {
        retire(std::move(reading->upstream));
        reason = "was not read to its end";
        return std::nullopt;
      }
      const bool is_only_late =
          header->result() == pipeline::HeaderRead::Result::timed_out && only_signed_count();
      if (header->result() != pipeline::HeaderRead::Result::undecodable && !is_only_late) {
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
  if (!is_still_the_job(result, job, reason)) {
    if (result.upstream) retire(std::move(result.upstream));
    return std::nullopt;
  }
  return result;
}

std::optional<Scanner::Opened> Scanner::take_whole(Opened opened, HeaderPeek::Whole& whole,
                                                   const spool::ScannedJob& job,
                                                   std::string& reason) {
  if (const auto objection = objection_to(whole.header)) {
    reason = *objection;
    return std::nullopt;
  }
  opened.metadata = whole.header.metadata();
  opened.decoded = {.fd = sys::make_memfd("penstock-payload"), .size = whole.payload.size()};
  sys::write_all(opened.decoded->fd.get(), whole.payload, "the decoded payload");
  if (!is_still_the_job(opened, job, reason)) return std::nullopt;
  return opened;
}

}  // namespace penstock::work
