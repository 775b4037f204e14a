#include "work/scanner.h"

#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "spool/uuid.h"
#include "sys/ed25519.h"
#include "sys/files.h"
#include "work/run_failure.h"

namespace penstock::work {

using namespace std::chrono_literals;

namespace {

// A long scan that is killed begins again where it was stored last.
constexpr auto kSaveEvery = 5s;
// In a run for which nothing is due, so many files are read whose names seemed to say enough.
constexpr size_t kMostGuessesRead = 32;
// A file that could not be decoded is tried again after this time: a key may have come since.
constexpr int64_t kFailureHoldsSeconds = 600;
// So many, a microsecond each, between two looks at whether a signal has come.
constexpr size_t kKnownAtOnce = 64;

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

std::optional<uint64_t> sealed_bytes(const packet::Metadata& metadata) {
  return metadata.seal ? std::optional(metadata.seal->length) : std::nullopt;
}

}  // namespace

Scanner::Scanner(pipeline::Engine& engine, const pipeline::Options& options,
                 const spool::Queue& queue, const spool::JobDirectory& jobs,
                 const Decoding& decoding, Told* told)
    : engine_(engine),
      jobs_(jobs),
      decoding_(decoding),
      told_(told),
      readings_(engine, options, decoding),
      opener_(readings_, jobs),
      believes_names_(decoding.plan && decoding.believes_names && !decoding.only_signed_count() &&
                      !readings_.can_peek()) {
  if (decoding.plan && decoding.index != Decoding::Index::none)
    index_.emplace(queue, decoding.description);
}

Scanner::~Scanner() {
  try {
    for (const auto& reading : pending_) readings_.let_go(*reading);
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
  auto [names, temporaries] = jobs_.list();
  temporaries_ = std::move(temporaries);
  set.expect(names.size());
  is_first_scan_ = set.size() == 0 && unreadable_.empty();
  size_t known = 0;
  for (const std::string& name : names) {
    const bool is_known_by_index = index_ && is_known(name, set);
    if ((!is_known_by_index || ++known % kKnownAtOnce == 0) && cancelled()) break;
    if (is_known_by_index || (wanted && is_put_off(name, *wanted, set))) continue;
    read(name, set, wanted, cancelled);
  }
  wait_for_all(set, wanted, cancelled);
  if (wanted && !set.has(*wanted) && !std::exchange(guesses_were_read_, true))
    look_behind_names(set, wanted, cancelled);
  saw_every_file_ = !cancelled();
  summarize_skipped();
}

void Scanner::read(const std::string& name, spool::JobSet& set, std::optional<uint64_t> wanted,
                   const std::function<bool()>& cancelled) {
  auto opened = jobs_.open(name);
  if (const auto* none = std::get_if<spool::NoJobFile>(&opened)) {
    if (none->why != spool::NoJobFile::Why::vanished) skip(name, {}, none->reason);
    return;
  }
  auto& file = std::get<spool::JobFile>(opened);
  if (is_known_here(name, file.id, set)) return;
  if (!decoding_.plan) {
    read_plain(name, file, set);
    return;
  }
  if (!read_in_process(name, file, set)) {
    pending_.push_back(readings_.start(name, std::move(file)));
    wait_for_room(set, wanted, cancelled);
  }
  save_now_and_then(set);
}

void Scanner::wait_for_room(spool::JobSet& set, std::optional<uint64_t> wanted,
                            const std::function<bool()>& cancelled) {
  engine_.loop.run_until([&] {
    collect_finished(set, wanted);
    return cancelled() || readings_.has_room_beside(pending_.size());
  });
}

void Scanner::wait_for_all(spool::JobSet& set, std::optional<uint64_t> wanted,
                           const std::function<bool()>& cancelled) {
  engine_.loop.run_until([&] {
    collect_finished(set, wanted);
    return pending_.empty() || cancelled();
  });
}

// Only a later number is believed, and only to let the file wait for its turn: whatever is acted
// upon is read before. Where only signed files count, a name counts for nothing; and where no
// process has to be started, to read a file costs next to nothing.
bool Scanner::is_put_off(const std::string& name, uint64_t wanted, spool::JobSet& set) {
  if (!believes_names_) return false;
  const auto number = spool::number_in_name(name);
  if (!number || *number <= wanted) return false;
  const auto seen = jobs_.look_at(name);
  if (!seen || seen->id.size == 0) return false;
  if (is_known_here(name, seen->id, set)) return true;
  // It gave no header before. Put off, such files would come first each time that some are read.
  if (index_ && index_->find(name, seen->id, seen->changed) != nullptr) return false;
  set.add({.name = name, .number = *number, .id = seen->id, .is_guess = true});
  return true;
}

// Nothing is due, so there is time: perhaps one of them is due after all.
void Scanner::look_behind_names(spool::JobSet& set, std::optional<uint64_t> wanted,
                                const std::function<bool()>& cancelled) {
  read_guesses(set.first_guesses(kMostGuessesRead), set, wanted, cancelled);
  const auto rest = set.first_guesses(SIZE_MAX);
  // Where nothing is kept, the next run would read the same ones.
  if (!rest.empty() && !save_index(set)) read_guesses(rest, set, wanted, cancelled);
}

void Scanner::confirm(spool::JobSet& set, uint64_t number, const std::function<bool()>& cancelled,
                      const std::function<void()>& waits) {
  const auto guesses = set.guesses_at(number);
  if (guesses.empty()) return;
  skipped_for_.clear();
  begin_guesses(guesses, set, number, cancelled);
  if (!pending_.empty()) waits();
  wait_for_all(set, number, cancelled);
  summarize_skipped();
}

void Scanner::read_guesses(const std::vector<spool::ScannedJob>& guesses, spool::JobSet& set,
                           std::optional<uint64_t> wanted, const std::function<bool()>& cancelled) {
  begin_guesses(guesses, set, wanted, cancelled);
  wait_for_all(set, wanted, cancelled);
}

void Scanner::begin_guesses(const std::vector<spool::ScannedJob>& guesses, spool::JobSet& set,
                            std::optional<uint64_t> wanted,
                            const std::function<bool()>& cancelled) {
  for (const spool::ScannedJob& guess : guesses) {
    if (cancelled()) return;
    set.remove(guess.name);
    std::unique_ptr<Reading> reading = opener_.take_ahead(guess);
    if (!reading) {
      auto opened = jobs_.open(guess.name);
      if (const auto* none = std::get_if<spool::NoJobFile>(&opened)) {
        if (none->why != spool::NoJobFile::Why::vanished) skip(guess.name, {}, none->reason);
        continue;
      }
      // Whatever is there by now.
      reading = readings_.start(guess.name, std::move(std::get<spool::JobFile>(opened)));
    }
    pending_.push_back(std::move(reading));
    wait_for_room(set, wanted, cancelled);
  }
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

bool Scanner::save_index(const spool::JobSet& set) {
  if (!index_ || !index_is_loaded_) return false;
  if (std::exchange(has_news_, false)) add_to_index(set);
  return index_->save(saw_every_file_ ? spool::HeaderIndex::Scan::whole
                                      : spool::HeaderIndex::Scan::cut_short);
}

void Scanner::add_to_index(const spool::JobSet& set) {
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
}

void Scanner::close_index(const spool::JobSet& set) {
  save_index(set);
  index_.reset();
}

void Scanner::collect_finished(spool::JobSet& set, std::optional<uint64_t> wanted) {
  for (auto reading = pending_.begin(); reading != pending_.end();) {
    if (!(*reading)->done) {
      ++reading;
      continue;
    }
    const std::unique_ptr<Reading> over = std::move(*reading);
    reading = pending_.erase(reading);
    finish_reading(*over, set, wanted);
  }
  readings_.bury_the_dead();
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
  const auto header = readings_.peek(file);
  if (!header) return false;
  take_header({.name = name, .id = file.id, .stood_since = stood_since(file.changed)}, *header,
              set);
  return true;
}

std::optional<spool::ScannedJob> Scanner::take_header(const Source& source,
                                                      const packet::HeaderReader& header,
                                                      spool::JobSet& set) {
  if (const auto objection = decoding_.objection_to(header)) {
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
  has_news_ = true;
  return job;
}

void Scanner::finish_reading(Reading& reading, spool::JobSet& set, std::optional<uint64_t> wanted) {
  using Result = pipeline::HeaderRead::Result;
  const std::unique_ptr<pipeline::HeaderRead> header = std::move(reading.header);
  switch (header->result()) {
    case Result::ok: {
      auto job = take_header(reading, header->header(), set);
      if (job && !opener_.has_parked() && wanted && job->number == *wanted) {
        opener_.park({.job = std::move(*job),
                      .metadata = header->metadata(),
                      .upstream = std::move(reading.upstream)});
      } else {
        readings_.retire(std::move(reading.upstream));
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
      readings_.retire(std::move(reading.upstream));
      return;
    case Result::cannot_start:
      readings_.retire(std::move(reading.upstream));
      throw RunFailure(FailureKind::unavailable,
                       cat("the decoder cannot be run: ", header->reason()));
    case Result::timed_out: {
      readings_.retire(std::move(reading.upstream));
      const std::string reason =
          cat("the decoder gave ", header->reason(), " (see --header-timeout)");
      // Anybody can make a file whose header never comes; who must be signed is missed as much by a
      // gap. Anywhere else it is never a skip, which would look like one.
      if (!decoding_.only_signed_count()) throw Error(cat(printable(reading.name), ": ", reason));
      remember_failure(reading, reason);
      skip(reading.name, reading.id, reason);
      return;
    }
    case Result::pending:
      readings_.retire(std::move(reading.upstream));
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

std::optional<OpenedJob> Scanner::open(const spool::ScannedJob& job, std::string& reason,
                                       const std::function<bool()>& cancelled,
                                       const std::function<void()>& waits) {
  auto opened = opener_.open(job, reason, cancelled, waits);
  if (opened && opened->metadata.sequence != job.number) {
    reason = cat("has become job ", opened->metadata.sequence);
    retire(std::move(opened->upstream));
    opened.reset();
  }
  // The next scan would take it for good again.
  if (!opened && index_) index_->forget(job.id);
  return opened;
}

}  // namespace penstock::work
