#include "pipeline/header_read.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "procfs/process_table.h"
#include "sys/files.h"

namespace penstock::pipeline {

using namespace std::chrono_literals;

namespace {

// After the last stage has exited its output must be at its end; a process left behind may keep it
// open (R12).
constexpr auto kLeftBehindPatience = 2s;
// As much as zstd(1) writes at once: damage behind that does not keep a header back.
constexpr size_t kFilteredAtOnce = 128UL << 10U;
// Of a file that is read without a process, while nobody is listened to: 2 MiB. The tool may go on.
constexpr size_t kMostUnits = 16;

bool pinentry_runs() {
  for (const procfs::ProcessStat& process : procfs::read_all_stats()) {
    if (process.comm.starts_with("pinentry")) return true;
  }
  return false;
}

// What is wrong with a decoder's output, as a sentence of its own.
std::string about_output(const packet::BadHeader& error) {
  using Cause = packet::BadHeader::Cause;
  if (error.cause() == Cause::empty) return "the decoder wrote nothing";
  return cat("what the decoder wrote ", error.message(),
             error.cause() == Cause::encoded ? ": does --decoder lack a stage?" : "");
}

// Whether a shell complains of the string that it was given: then it would of each file.
bool is_syntax_error(const sys::ExitStatus& status, std::string_view words) {
  using namespace std::string_view_literals;
  if (!status.exited_with(2) && !status.exited_with(1)) return false;
  static constexpr std::array kWords = {"yntax error"sv, "unexpected EOF"sv, "parse error"sv,
                                        "unmatched"sv, "nterminated"sv};
  return std::ranges::any_of(
      kWords, [&](std::string_view part) { return words.find(part) != std::string_view::npos; });
}

}  // namespace

packet::HeaderReader read_header(int fd, std::string_view name) {
  packet::HeaderReader reader;
  std::vector<uint8_t> block;
  while (!reader.done()) {
    block.resize(reader.wanted());
    const size_t count = sys::read_some(fd, block, name);
    if (count == 0) reader.end_of_input();
    reader.feed(std::span(block).first(count));
  }
  return reader;
}

packet::HeaderReader read_file_header(int fd, std::string_view name) {
  packet::HeaderReader reader;
  std::array<uint8_t, 4096> block{};
  off_t offset = 0;
  while (!reader.done()) {
    const size_t count = sys::pread_some(fd, block, offset, name);
    if (count == 0) reader.end_of_input();
    std::span<const uint8_t> rest = std::span(block).first(count);
    while (!reader.done() && !rest.empty()) {
      const size_t taken = std::min(reader.wanted(), rest.size());
      reader.feed(rest.first(taken));
      rest = rest.subspan(taken);
    }
    offset += static_cast<off_t>(count);
  }
  return reader;
}

HeaderRead::HeaderRead(Engine& engine, const Options& options, Upstream& upstream,
                       std::optional<std::chrono::milliseconds> limit, std::function<void()> done)
    : engine_(engine),
      options_(options),
      upstream_(upstream),
      limit_(limit),
      done_(std::move(done)),
      limit_timer_(engine.loop, [this] { time_is_up(); }),
      left_behind_timer_(engine.loop, [this] {
        if (watch_ && sys::poll_now(upstream_.read_end()).hung_up) return;
        const auto holder = holder_of(upstream_.read_end(), true);
        const std::string& name = upstream_.processes().at(upstream_.count() - 1).name();
        finish(Result::undecodable,
               cat(name, " left a writer behind", holder ? cat(" (", *holder, ")") : ""));
      }) {
  upstream.processes().set_listener([this] { stages_changed(); });
  if (upstream.count() > 0)
    watch_.emplace(engine.loop, upstream.read_end(), EPOLLIN, [this](uint32_t) { take_bytes(); });
  if (limit_ && !engine.has_terminal) limit_timer_.set(*limit_);
}

// Exactly the header; through a filter more, which then is the filter's again. False: there is more
// without news of the source.
bool HeaderRead::feed_some() {
  const std::string_view source = upstream_.count() > 0 ? "the decoder's output" : "the job file";
  FilteredInput* filter = upstream_.filter();
  if (filter == nullptr) {
    std::vector<uint8_t> block(reader_.wanted());
    const size_t count = sys::read_some(upstream_.read_end(), block, source);
    if (count == 0) {
      watch_.reset();
      reader_.end_of_input();
    }
    reader_.feed(std::span(block).first(count));
    return true;
  }
  if (upstream_.count() == 0 && ++units_ > kMostUnits)
    throw BadStream("its beginning holds no header");
  std::vector<uint8_t> block(kFilteredAtOnce);
  block.resize(filter->read(upstream_.read_end(), block, source));
  size_t fed = 0;
  while (!reader_.done() && fed < block.size()) {
    const size_t taken = std::min(reader_.wanted(), block.size() - fed);
    reader_.feed(std::span(block).subspan(fed, taken));
    fed += taken;
  }
  if (!reader_.done() && filter->is_at_end()) reader_.end_of_input();
  filter->put_back(std::move(block), fed);
  const bool needs_no_news = filter->has_more() || upstream_.count() == 0;
  return reader_.done() || !needs_no_news;
}

void HeaderRead::take_bytes() {
  try {
    while (!feed_some()) continue;
  } catch (const BadStream& error) {
    fail(error.message());
    return;
  } catch (const packet::BadHeader& error) {
    fail(about_output(error));
    return;
  } catch (const Error& error) {
    if (upstream_.filter() == nullptr) throw;
    fail(error.message());  // the tool in its place would fail, too, and no other file with it
    return;
  }
  if (reader_.done()) finish(Result::ok, {});
}

// Why there is no header, the decoder's own end tells best; one that goes on is not waited for.
void HeaderRead::fail(std::string why) {
  bad_ = std::move(why);
  watch_.reset();
  if (upstream_.all_over()) {
    explain();
  } else {
    upstream_.retire();
  }
}

void HeaderRead::stages_changed() {
  if (result_ != Result::pending) return;
  if (upstream_.processes().keeper_died()) {
    finish(Result::cannot_start, "the keeper of this run was killed");
    return;
  }
  if (!upstream_.all_over()) return;
  if (bad_) {
    explain();
  } else {
    left_behind_timer_.set(kLeftBehindPatience);
  }
}

// All stages are over and no header came: the first that failed is the likely reason.
void HeaderRead::explain() {
  if (const auto failure = upstream_.start_failure()) {
    finish(Result::cannot_start, *failure);
    return;
  }
  if (upstream_.tap() != nullptr) upstream_.tap()->drain();
  const Verdict verdict = upstream_.verdict(options_, LastReader::ended_well);
  // Of nothing a tool makes nothing either.
  const FilteredInput* filter = upstream_.filter();
  wants_tool_ = filter != nullptr && filter->bytes_read() > 0;
  std::string reason = *bad_;
  // One that we had to end ourselves says nothing.
  if (verdict.kind == Verdict::Kind::bad && !upstream_.processes().is_ending()) {
    reason = verdict.sentence;
    const std::string words =
        upstream_.tap() != nullptr
            ? upstream_.tap()->last_words(verdict.stage < upstream_.count()
                                              ? upstream_.processes().at(verdict.stage).name()
                                              : std::string())
            : "";
    reason += words.empty() ? cat(" (", *bad_, ")") : cat(" (", words, ")");
    const Stages::Stage& stage = upstream_.processes().at(verdict.stage);
    // A shell that says it could not run what it was given.
    if (stage.spec.opaque && (stage.status->exited_with(126) || stage.status->exited_with(127))) {
      finish(Result::cannot_start, reason);
      return;
    }
    if (stage.spec.opaque && is_syntax_error(*stage.status, words)) {
      decoder_is_at_fault_ = true;
      reason = cat("the decoder is no valid shell command: ", reason);
    }
  }
  finish(Result::undecodable, reason);
}

void HeaderRead::time_is_up() {
  if (pinentry_runs()) {
    limit_timer_.set(*limit_);
    return;
  }
  finish(Result::timed_out,
         cat("no header within ", std::chrono::duration_cast<std::chrono::seconds>(*limit_).count(),
             " s"));
}

void HeaderRead::finish(Result result, std::string reason) {
  if (result_ != Result::pending) return;
  result_ = result;
  reason_ = std::move(reason);
  watch_.reset();
  limit_timer_.clear();
  left_behind_timer_.clear();
  upstream_.processes().set_listener([] {});
  const auto done = done_;  // may destroy us
  done();
}

}  // namespace penstock::pipeline
