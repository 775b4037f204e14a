#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/exit_code.h"
#include "cli/handlers.h"
#include "cli/settings.h"
#include "packet/bad_header.h"
#include "pipeline/header_read.h"
#include "sys/exit_status.h"
#include "sys/files.h"
#include "sys/signals.h"
#include "work/drain.h"
#include "work/follow.h"
#include "work/follow_lanes.h"
#include "work/lanes.h"
#include "work/queues_below.h"

namespace penstock::cli {

namespace {

int detailed_status(work::FailureKind kind) {
  switch (kind) {
    case work::FailureKind::job_failed:
      return kFailure;
    case work::FailureKind::busy:
      return kBusy;
    case work::FailureKind::bad_data:
      return kBadData;
    case work::FailureKind::no_queue:
      return kNoInput;
    case work::FailureKind::unavailable:
      return kUnavailable;
    case work::FailureKind::io:
      return kInputOutput;
  }
  return kFailure;
}

work::DrainSettings drain_settings(const Arguments& arguments) {
  using spool::OnError;
  using work::OrderBy;
  work::DrainSettings settings;
  settings.decoding = decoding(arguments);
  settings.options = pipeline_options(arguments);
  settings.decoding.takes_whole = settings.options.stdin_kind == pipeline::StdinKind::pipe;
  settings.decoding.filters = settings.decoding.takes_whole;
  settings.job.command = command_line(arguments);
  settings.job.ignore_payload = arguments.has("ignore-payload");
  settings.job.require_seal = arguments.has("require-seal");
  settings.job.save_output =
      arguments.pick<bool>("output-to", {{"PassBoth", false}, {"SaveBoth", true}}).value_or(false);
  if (arguments.has("idempotent-check"))
    settings.job.idempotent_check = arguments.text("idempotent-check");
  if (const auto status = arguments.number("already-done-status")) {
    settings.job.already_done_status = static_cast<int>(*status);
  }
  settings.order = *arguments.pick<OrderBy>(
      "order-by", {{"Sequence", OrderBy::sequence}, {"Timestamp", OrderBy::timestamp}});
  settings.on_error = *arguments.pick<OnError>("on-error", {{"Retry", OnError::retry},
                                                            {"Delete", OnError::remove},
                                                            {"Leave", OnError::leave},
                                                            {"quarantine", OnError::quarantine}});
  settings.never_delete = arguments.has("never-delete");
  settings.max_jobs = arguments.number("maxjobs");
  settings.max_attempts = *arguments.number("max-attempts");
  settings.quarantine_limit = *arguments.number("quarantine-limit");
  if (const auto delays = arguments.delays("retry-delay"))
    settings.retry_delay = work::RetryDelay{.least = delays->least, .most = delays->most};
  settings.rescan = !arguments.has("no-rescan");
  settings.remove_old = arguments.has("remove-old");
  settings.lock_wait = *arguments.seconds("lock-wait");
  settings.look_ahead = *arguments.number("look-ahead");
  settings.decoding.believes_names = !arguments.has("no-numbered-names");
  settings.drain_time = *arguments.seconds("drain-time");
  return settings;
}

// A run's end as an exit status; may end the process by the signal that has ended the run.
int status_of(const work::DrainEnd& end, const Arguments& arguments) {
  const bool detailed = arguments.has("detailed-exit");
  if (end.interrupted_by) sys::die_by(*end.interrupted_by);
  if (end.more) return kSuccess;
  auto status = [&](const char* option, int by_default) {
    if (detailed && !arguments.has(option)) return by_default;
    return static_cast<int>(*arguments.number(option));
  };
  if (end.delayed && detailed) return kDelayed;
  if (end.gap) return status("gap-status", kGap);
  if (end.skipped > 0) return status("skipped-status", kSkipped);
  return kSuccess;
}

int status_of(const Error& failure, const Arguments& arguments) {
  if (!arguments.has("detailed-exit")) return kFailure;
  const auto* run = dynamic_cast<const work::RunFailure*>(&failure);
  return run != nullptr ? detailed_status(run->kind()) : kInputOutput;
}

int drain_one(const work::DrainSettings& settings, const Arguments& arguments) {
  try {
    std::optional<work::Drain> drain;
    drain.emplace(settings);
    const work::DrainEnd end = drain->run();
    drain.reset();  // waits for the keeper: the next run must find the lock free
    if (settings.lane != nullptr) {
      settings.lane->done = end.done;
      settings.lane->more = end.more;
    }
    return status_of(end, arguments);
  } catch (const Error& failure) {
    Log::error(failure.message());
    return status_of(failure, arguments);
  }
}

work::LaneSettings lane_settings(const Arguments& arguments, uint64_t most) {
  return {.lanes = std::min<uint64_t>(
              arguments.number("lanes").value_or(std::max(1U, std::thread::hardware_concurrency())),
              most),
          .prefix_output = arguments.has("prefix-output"),
          .slice = *arguments.seconds("lane-time")};
}

int drain_many(const work::DrainSettings& settings, const std::vector<std::string>& queues,
               const Arguments& arguments) {
  const work::LaneSettings lanes = lane_settings(arguments, queues.size());
  const work::LanesEnd end = work::drain_in_lanes(queues, lanes, [&](const work::LaneTurn& turn) {
    work::DrainSettings own = settings;
    own.queue_dir = turn.queue;
    own.lane = turn.counts;
    own.lanes = lanes.lanes;
    // In order of time each run begins anew, with what was left in the queue, too.
    if (own.order == work::OrderBy::sequence) own.slice = lanes.slice;
    if (own.max_jobs) own.max_jobs = *own.max_jobs - std::min(*own.max_jobs, turn.done);
    return drain_one(own, arguments);
  });
  if (end.interrupted_by) sys::die_by(*end.interrupted_by);
  return end.status;
}

// Those of --queuedir, each once.
std::vector<std::string> queues_given(const Arguments& arguments) {
  std::vector<std::string> queues = arguments.texts("queuedir");
  for (auto queue = queues.begin(); queue != queues.end(); ++queue) {
    if (std::find(queues.begin(), queue, *queue) != queue) {
      throw UsageError("queue-process", cat("queue ", printable(*queue), " is given twice"));
    }
  }
  if (const auto twice = work::same_queue(queues)) {
    throw UsageError("queue-process", cat("queue ", printable(twice->first), " is the same as ",
                                          printable(twice->second)));
  }
  return queues;
}

std::vector<std::string> all_queues(const Arguments& arguments) {
  if (!arguments.has("all")) return queues_given(arguments);
  std::vector<std::string> queues = work::queues_below(arguments.text("all"));
  if (queues.empty()) {
    throw work::RunFailure(work::FailureKind::no_queue,
                           cat("there is no queue below ", printable(arguments.text("all"))));
  }
  return queues;
}

bool is_one_queue(const Arguments& arguments) {
  return !arguments.has("all") && !arguments.has("prefix-output") &&
         arguments.texts("queuedir").size() == 1;
}

int follow(const Arguments& arguments) {
  work::FollowedQueues queues{.rescan = *arguments.seconds("rescan-every")};
  if (arguments.has("all")) {
    queues.below = arguments.text("all");
  } else {
    queues.given = queues_given(arguments);
  }
  work::DrainSettings settings = drain_settings(arguments);
  if (is_one_queue(arguments)) {
    settings.queue_dir = queues.given.front();
    const work::FollowedRun end = work::follow(settings, queues.rescan);
    if (end.cut_short) sys::die_by(*end.signal);
    return kSuccess;
  }
  const work::FollowLanesEnd end = work::follow_in_lanes(
      queues, lane_settings(arguments, queues.below ? UINT64_MAX : queues.given.size()), settings,
      [&](const Error& failure) { return status_of(failure, arguments); });
  if (end.status != 0) return end.status;
  if (end.cut_short) sys::die_by(*end.interrupted_by);
  return kSuccess;
}

}  // namespace

int handle_queue_process(const Arguments& arguments) {
  try {
    if (arguments.has("follow")) return follow(arguments);
    const std::vector<std::string> queues = all_queues(arguments);
    work::DrainSettings settings = drain_settings(arguments);
    settings.queue_dir = queues.front();
    return is_one_queue(arguments) ? drain_one(settings, arguments)
                                   : drain_many(settings, queues, arguments);
  } catch (const UsageError&) {
    throw;
  } catch (const Error& failure) {
    Log::error(failure.message());
    return status_of(failure, arguments);
  }
}

int handle_stdin_process(const Arguments& arguments) {
  const pipeline::Options options = pipeline_options(arguments);
  const struct stat status = sys::status_of(STDIN_FILENO, "standard input");
  if (options.stdin_kind == pipeline::StdinKind::file && !S_ISREG(status.st_mode)) {
    throw UsageError("stdin-process", "--stdin file needs a regular file on standard input");
  }
  const work::JobSettings settings{.command = command_line(arguments),
                                   .ignore_payload = arguments.has("ignore-payload"),
                                   .require_seal = arguments.has("require-seal")};
  const std::optional<work::Trust> trusted = trust(arguments);
  std::optional<packet::HeaderReader> header;
  try {
    header = pipeline::read_header(STDIN_FILENO, "standard input");
  } catch (const packet::BadHeader& error) {
    throw error.with("standard input");
  }
  if (trusted) {
    if (const auto objection = trusted->objection_to(*header))
      throw Error(cat("the job file on standard input ", *objection));
  }
  std::optional<int> signal;
  work::JobEnd end;
  {
    pipeline::Engine engine;
    work::Interruption interruption(engine.loop);
    work::Progress progress(engine.loop);
    end = work::run_stdin_job({engine, options, settings, interruption, progress},
                              header->metadata(), header->header_bytes(), STDIN_FILENO);
    signal = interruption.signal();
  }
  const std::string title = cat("job ", header->metadata().sequence, " (standard input)");
  if (end.stuck) Log::error(cat(title, ": ", *end.stuck));
  if (end.kind == work::JobEnd::Kind::success) return kSuccess;
  if (end.kind == work::JobEnd::Kind::interrupted && signal) {
    Log::error(cat("ended by ", sys::signal_name(*signal), "; ", title, " was running"));
    sys::die_by(*signal);
  }
  Log::error(
      cat(title, " failed: ", end.sentence,
          end.may_have_been_applied
              ? "; the command had said success before that, so the job may have been applied"
              : ""));
  return kFailure;
}

}  // namespace penstock::cli
