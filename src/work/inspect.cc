#include "work/inspect.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/text.h"
#include "packet/job_environment.h"
#include "pipeline/header_read.h"
#include "pipeline/seal_check.h"
#include "spool/queue.h"
#include "spool/sequence_file.h"
#include "sys/files.h"
#include "work/same_content.h"
#include "work/scanner.h"

namespace penstock::work {

namespace {

constexpr size_t kBlock = 128UL << 10U;

// A queue with the headers of its jobs.
struct Inspection {
  Inspection(const InspectSettings& settings, std::optional<uint64_t> wanted)
      : queue(settings.queue_dir),
        jobs(queue.jobs()),
        scanner(engine, settings.options, queue, jobs, settings.decoding) {
    scanner.scan(set, wanted, [] { return false; });
    scanner.close_index(set);
  }

  spool::Turn turn_of(uint64_t number) const {
    return set.at(number, [this](const spool::ScannedJob& a, const spool::ScannedJob& b) {
      return same_content(jobs, a, b);
    });
  }

  // The one file (of perhaps several alike) that carries `number`.
  spool::ScannedJob find(uint64_t number) const {
    const spool::Turn turn = turn_of(number);
    if (turn.is_conflict())
      throw Error(cat(turn.conflict_sentence(), " from ", printable(queue.jobs_path())));
    if (!turn.job) {
      throw Error(cat("there is no job ", number, " in ", printable(queue.jobs_path()),
                      scanner.skipped() > 0
                          ? cat(" (", scanner.skipped(),
                                scanner.skipped() == 1 ? " file" : " files", " could not be read)")
                          : ""));
    }
    return *turn.job;
  }

  OpenedJob open(const spool::ScannedJob& job) {
    std::string reason;
    auto opened = scanner.open(
        job, reason, [] { return false; }, [] {});
    if (!opened) throw Error(cat("job ", job.number, " (", printable(job.name), ") ", reason));
    return std::move(*opened);
  }

  spool::Queue queue;
  spool::JobDirectory jobs;
  pipeline::Engine engine;
  spool::JobSet set;
  Scanner scanner;
};

constexpr std::string_view kNotToBeTrusted = ": what was printed is not to be trusted";

// Everything left in `fd` to standard output; returns how much. A reader that went away is Error
// with EPIPE. A byte that no seal can be good with any more is not printed.
uint64_t copy_to_stdout(int fd, const std::string& name, pipeline::SealCheck* check) {
  sys::check_stdout();
  std::vector<uint8_t> buffer(kBlock);
  uint64_t total = 0;
  while (const size_t count = sys::read_some(fd, buffer, name)) {
    if (check != nullptr) check->add(std::span(buffer).first(count));
    sys::write_all(STDOUT_FILENO, std::span(buffer).first(count), "standard output");
    total += count;
  }
  return total;
}

// The check that a payload is to pass; nothing for one that is not sealed and may be so.
std::optional<pipeline::SealCheck> seal_check(const packet::Metadata& metadata,
                                              RequireSeal require_seal, const std::string& name) {
  if (metadata.seal) return std::optional<pipeline::SealCheck>(std::in_place, *metadata.seal);
  if (require_seal == RequireSeal::yes)
    throw Error(cat(name, " is not sealed, which --require-seal asks for"));
  return std::nullopt;
}

}  // namespace

const char* mark_name(Mark mark) {
  switch (mark) {
    case Mark::next:
      return "next";
    case Mark::waiting:
      return "waiting";
    case Mark::old:
      return "old";
    case Mark::duplicate:
      return "duplicate";
    case Mark::conflict:
      return "conflict";
  }
  return "";
}

std::vector<QueueEntry> list_queue(const InspectSettings& settings, Marks marks) {
  const Inspection inspection(settings, std::nullopt);
  std::optional<uint64_t> next;
  try {
    next = spool::read_sequence_unlocked(inspection.queue.sequence_path());
  } catch (const Error&) {
    // An append-only queue has none; then nothing is next or old.
  }
  std::vector<QueueEntry> entries;
  spool::Turn turn;  // of the number that the last entry carries
  entries.reserve(inspection.set.size());
  inspection.set.for_each([&](const spool::ScannedJob& job) {
    QueueEntry entry{.job = job, .mark = Mark::waiting};
    if (marks == Marks::no) {
      // Nobody asks.
    } else if (next && job.number < *next) {
      entry.mark = Mark::old;
    } else {
      if (!turn.job || turn.job->number != job.number) turn = inspection.turn_of(job.number);
      if (turn.is_copy(job)) {
        entry.mark = Mark::duplicate;
      } else if (turn.is_conflict()) {
        entry.mark = Mark::conflict;
      } else if (next && job.number == *next) {
        entry.mark = Mark::next;
      }
    }
    entries.push_back(std::move(entry));
  });
  return entries;
}

JobInfo queue_info(const InspectSettings& settings, uint64_t number) {
  Inspection inspection(settings, number);
  const spool::ScannedJob job = inspection.find(number);
  OpenedJob opened = inspection.open(job);
  if (opened.upstream) inspection.scanner.retire(std::move(opened.upstream));
  return {
      .variables = packet::job_environment(
          opened.metadata, packet::JobFile{.file_name = job.name, .queue_dir = settings.queue_dir}),
      .seal = opened.metadata.seal};
}

void queue_payload(const InspectSettings& settings, uint64_t number) {
  Inspection inspection(settings, number);
  const spool::ScannedJob job = inspection.find(number);
  OpenedJob opened = inspection.open(job);
  const std::string title = cat("job ", number, " (", printable(job.name), ")");
  std::optional<pipeline::SealCheck> check;
  try {
    check = seal_check(opened.metadata, settings.require_seal, title);
  } catch (...) {
    inspection.scanner.retire(std::move(opened.upstream));
    throw;
  }
  pipeline::SealCheck* seal = check ? &*check : nullptr;
  if (!opened.upstream) {
    const uint64_t expected = opened.file.id.size - opened.payload_offset;
    try {
      const uint64_t copied = copy_to_stdout(opened.file.fd.get(), title, seal);
      if (check) check->finish();
      if (copied < expected) throw Error(cat(title, " shrank while it was read"));
    } catch (const pipeline::BrokenSeal& broken) {
      throw Error(cat(title, ": ", broken.message(), kNotToBeTrusted));
    }
    return;
  }
  pipeline::Upstream& upstream = *opened.upstream;
  sys::UniqueFd output = upstream.take_read_end();
  std::optional<pipeline::BrokenSeal> broken;
  try {
    copy_to_stdout(output.get(), title, seal);
    if (check) check->finish();
  } catch (const pipeline::BrokenSeal& error) {
    broken = error;
  }
  output.reset();  // too long a payload is not read to its end
  upstream.processes().set_listener([] {});
  inspection.engine.loop.run_until(
      [&] { return upstream.all_over() || upstream.processes().keeper_died(); });
  const pipeline::Verdict verdict =
      upstream.verdict(settings.options, pipeline::LastReader::reads_to_the_end);
  // Of a decoder that failed half-way the payload is cut, too: it is the one to name.
  const bool is_too_long = broken && broken->cause() == pipeline::BrokenSeal::Cause::altered;
  if (verdict.kind != pipeline::Verdict::Kind::good && !is_too_long) {
    const std::string why =
        verdict.kind == pipeline::Verdict::Kind::bad ? verdict.sentence : "the decoder was lost";
    throw Error(cat(title, ": ", why, kNotToBeTrusted));
  }
  if (broken) throw Error(cat(title, ": ", broken->message(), kNotToBeTrusted));
}

JobInfo stdin_info() {
  try {
    const packet::HeaderReader header = pipeline::read_header(STDIN_FILENO, "standard input");
    return {.variables = packet::job_environment(header.metadata()),
            .seal = header.metadata().seal};
  } catch (const packet::BadHeader& error) {
    throw error.with("standard input");
  }
}

void stdin_payload(RequireSeal require_seal) {
  constexpr const char* kName = "standard input";
  std::optional<pipeline::SealCheck> check;
  try {
    check = seal_check(pipeline::read_header(STDIN_FILENO, kName).metadata(), require_seal, kName);
  } catch (const packet::BadHeader& error) {
    throw error.with(kName);
  }
  try {
    copy_to_stdout(STDIN_FILENO, kName, check ? &*check : nullptr);
    if (check) check->finish();
  } catch (const pipeline::BrokenSeal& broken) {
    throw Error(cat(kName, ": ", broken.message(), kNotToBeTrusted));
  }
}

}  // namespace penstock::work
