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
#include "spool/queue.h"
#include "spool/sequence_file.h"
#include "sys/files.h"
#include "work/same_content.h"

namespace penstock::work {

namespace {

constexpr size_t kBlock = 128UL << 10U;

// A queue with the headers of its jobs.
struct Inspection {
  Inspection(const InspectSettings& settings, std::optional<uint64_t> wanted)
      : queue(settings.queue_dir),
        jobs(queue.jobs()),
        scanner(engine, settings.options, jobs, settings.decoding) {
    scanner.scan(set, wanted, [] { return false; });
  }

  // The one file (of perhaps several alike) that carries `number`.
  spool::ScannedJob find(uint64_t number) const {
    const spool::Turn turn =
        set.at(number, [this](const spool::ScannedJob& a, const spool::ScannedJob& b) {
          return same_content(jobs, a, b);
        });
    if (turn.is_conflict()) throw Error(turn.conflict_sentence());
    if (!turn.job) {
      throw Error(cat("there is no job ", number, " in ", printable(queue.jobs_path()),
                      scanner.skipped() > 0
                          ? cat(" (", scanner.skipped(),
                                scanner.skipped() == 1 ? " file" : " files", " could not be read)")
                          : ""));
    }
    return *turn.job;
  }

  Scanner::Opened open(const spool::ScannedJob& job) {
    std::string reason;
    auto opened = scanner.open(job, reason, [] { return false; });
    if (!opened) throw Error(cat("job ", job.number, " (", printable(job.name), ") ", reason));
    return std::move(*opened);
  }

  spool::Queue queue;
  spool::JobDirectory jobs;
  pipeline::Engine engine;
  spool::JobSet set;
  Scanner scanner;
};

// Everything left in `fd` to standard output; returns how much. A reader that went away is Error
// with EPIPE.
uint64_t copy_to_stdout(int fd, const std::string& name) {
  sys::check_stdout();
  std::vector<uint8_t> buffer(kBlock);
  uint64_t total = 0;
  while (const size_t count = sys::read_some(fd, buffer, name)) {
    sys::write_all(STDOUT_FILENO, std::span(buffer).first(count), "standard output");
    total += count;
  }
  return total;
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
  }
  return "";
}

std::vector<QueueEntry> list_queue(const InspectSettings& settings) {
  const Inspection inspection(settings, std::nullopt);
  std::optional<uint64_t> next;
  try {
    next = spool::read_sequence_unlocked(inspection.queue.sequence_path());
  } catch (const Error&) {
    // An append-only queue has none; then nothing is next or old.
  }
  std::vector<QueueEntry> entries;
  for (spool::ScannedJob& job : inspection.set.in_sequence()) {
    Mark mark = Mark::waiting;
    if (next && job.number == *next) mark = Mark::next;
    if (!entries.empty() && entries.back().job.number == job.number) mark = Mark::duplicate;
    if (next && job.number < *next) mark = Mark::old;
    entries.push_back({.job = std::move(job), .mark = mark});
  }
  return entries;
}

std::vector<packet::Variable> queue_info(const InspectSettings& settings, uint64_t number) {
  Inspection inspection(settings, number);
  const spool::ScannedJob job = inspection.find(number);
  Scanner::Opened opened = inspection.open(job);
  if (opened.upstream) inspection.scanner.retire(std::move(opened.upstream));
  return packet::job_environment(
      opened.metadata, packet::JobFile{.file_name = job.name, .queue_dir = settings.queue_dir});
}

void queue_payload(const InspectSettings& settings, uint64_t number) {
  Inspection inspection(settings, number);
  const spool::ScannedJob job = inspection.find(number);
  Scanner::Opened opened = inspection.open(job);
  const std::string title = cat("job ", number, " (", printable(job.name), ")");
  if (!opened.upstream) {
    const uint64_t expected = opened.file.id.size - opened.payload_offset;
    const uint64_t copied = copy_to_stdout(opened.file.fd.get(), title);
    if (copied < expected) throw Error(cat(title, " shrank while it was read"));
    return;
  }
  pipeline::Upstream& upstream = *opened.upstream;
  const sys::UniqueFd output = upstream.take_read_end();
  copy_to_stdout(output.get(), title);
  upstream.processes().set_listener([] {});
  inspection.engine.loop.run_until(
      [&] { return upstream.all_over() || upstream.processes().keeper_died(); });
  const pipeline::Verdict verdict =
      upstream.verdict(settings.options, pipeline::LastReader::reads_to_the_end);
  if (verdict.kind != pipeline::Verdict::Kind::good) {
    const std::string why =
        verdict.kind == pipeline::Verdict::Kind::bad ? verdict.sentence : "the decoder was lost";
    throw Error(cat(title, ": ", why, ": what was printed is not to be trusted"));
  }
}

std::vector<packet::Variable> stdin_info() {
  try {
    return packet::job_environment(
        pipeline::read_header(STDIN_FILENO, "standard input").metadata());
  } catch (const packet::BadHeader& error) {
    throw error.with("standard input");
  }
}

void stdin_payload() {
  try {
    pipeline::read_header(STDIN_FILENO, "standard input");
  } catch (const packet::BadHeader& error) {
    throw error.with("standard input");
  }
  copy_to_stdout(STDIN_FILENO, "standard input");
}

}  // namespace penstock::work
