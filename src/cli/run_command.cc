#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "base/log.h"
#include "base/text.h"
#include "cli/exit_code.h"
#include "cli/handlers.h"
#include "cli/settings.h"
#include "pipeline/pipeline_words.h"
#include "pipeline/run.h"
#include "sys/signals.h"
#include "work/interruption.h"

namespace penstock::cli {

namespace {

using pipeline::Outcome;
using Stage = pipeline::Stages::Stage;

std::string report_line(const Stage& stage) {
  const std::chrono::duration<double> time = stage.ended - stage.started;
  std::array<char, 32> seconds{};
  std::snprintf(seconds.data(), seconds.size(), "%.3f", time.count());
  const std::string status =
      stage.status ? stage.status->sentence() : pipeline::start_failure(stage);
  const std::string bytes = stage.is_counted ? cat(stage.bytes_read, " bytes by read calls, ",
                                                   stage.bytes_written, " bytes by write calls, ")
                                             : "bytes not told, ";
  return cat(printable(stage.name()), ": ", status, ", ", bytes,
             stage.status ? seconds.data() : "0", " s");
}

int status_of(const Outcome& outcome) {
  switch (outcome.kind) {
    case Outcome::Kind::success:
      return kSuccess;
    case Outcome::Kind::timed_out:
      return kTimedOut;
    case Outcome::Kind::cannot_start_command:
    case Outcome::Kind::cannot_start_decoder:
      for (const Stage& stage : outcome.stages) {
        if (stage.spawn_error != 0) return stage.spawn_error == ENOENT ? kNotFound : kCannotExecute;
      }
      return kOurFailure;
    case Outcome::Kind::command_failed:
      return outcome.command->shell_status();
    case Outcome::Kind::upstream_failed:
      // The first that failed, in the order of the pipeline; one that only felt the end of its
      // reader is none.
      for (const Stage& stage : outcome.stages) {
        if (stage.status && !stage.status->success() &&
            cat(stage.name(), " ", stage.status->sentence()) == outcome.sentence) {
          return stage.status->shell_status();
        }
      }
      return kOurFailure;
    case Outcome::Kind::payload_failed:
    case Outcome::Kind::seal_broken:
    case Outcome::Kind::too_large:
    case Outcome::Kind::means_missing:
    case Outcome::Kind::stalled:
    case Outcome::Kind::stalled_try_again:
    case Outcome::Kind::interrupted:
    case Outcome::Kind::keeper_died:
      return kOurFailure;
  }
  return kOurFailure;
}

// Throws UsageError and Error.
int run_pipeline(const Arguments& arguments) {
  pipeline::Options options = pipeline_options(arguments);
  options.count_io = arguments.has("report");
  options.asks_all_stages = true;
  std::vector<pipeline::StageSpec> stages;
  try {
    stages = pipeline::split_at_pipes(arguments.params());
  } catch (const Error& error) {
    throw UsageError("run", error.message());
  }
  if (options.max_payload && stages.size() == 1 && !options.verify_before) {
    throw UsageError("run",
                     "--max-payload: one command alone reads its input itself; with "
                     "--verify before it is measured");
  }
  Outcome outcome;
  std::optional<int> signal;
  {
    pipeline::Engine engine;
    work::Interruption interruption(engine.loop);
    pipeline::Run::Config config{.queue = "-", .job = "run", .spool_dir = "."};
    config.command.spec = std::move(stages.back());
    config.command.env = engine.environment;
    stages.pop_back();
    confine(arguments, stages);
    // Otherwise nothing of ours lies in the way to count.
    const bool we_feed =
        options.verify_before || (!stages.empty() && options.gate != pipeline::GateStrength::eof &&
                                  options.gate != pipeline::GateStrength::off);
    if (stages.empty()) {
      config.payload = pipeline::InheritedStdin{};
    } else {
      config.payload = std::make_unique<pipeline::Upstream>(
          engine, options,
          pipeline::Upstream::Config{
              .stages = std::move(stages),
              .feeds_command =
                  options.gate != pipeline::GateStrength::hold && !options.verify_before,
              .tap = std::nullopt});
    }
    pipeline::Run run(engine, options, std::move(config));
    interruption.tell([&run](int number) { run.interrupt(number); });
    engine.loop.run_until([&run] { return run.is_done(); });
    outcome = run.outcome();
    interruption.tell(nullptr);
    if (arguments.has("report")) {
      for (const Stage& stage : outcome.stages) Log::info(report_line(stage));
      if (we_feed) Log::info(cat("the command's input: ", outcome.bytes, " bytes"));
    }
    if (outcome.kind != Outcome::Kind::success) {
      Log::error(cat(outcome.sentence, outcome.may_have_been_applied
                                           ? "; the last command had exited 0 before that"
                                           : ""));
    }
    if (outcome.stuck) Log::error(*outcome.stuck);
    if (outcome.kind == Outcome::Kind::interrupted) signal = interruption.signal();
  }
  if (signal) sys::die_by(*signal);
  return status_of(outcome);
}

}  // namespace

int handle_run(const Arguments& arguments) {
  try {
    return run_pipeline(arguments);
  } catch (const UsageError&) {
    throw;
  } catch (const Error& error) {
    Log::error(error.message());
    return kOurFailure;
  }
}

}  // namespace penstock::cli
