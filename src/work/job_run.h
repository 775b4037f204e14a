// One job from its opened file to its outcome: environment, output, check, command, gate. It
// commits nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "pipeline/run.h"
#include "spool/queue.h"
#include "work/interruption.h"
#include "work/job_command.h"
#include "work/job_opener.h"
#include "work/progress.h"

namespace penstock::work {

// How jobs are run, the same for each of a run.
struct JobSettings {
  CommandLine command;
  bool ignore_payload = false;
  bool require_seal = false;
  bool save_output = false;  // --output-to SaveBoth
  std::optional<std::string> idempotent_check;
  std::optional<int> already_done_status;
};

struct JobEnd {
  enum class Kind {
    success,
    failed,       // obeys --on-error
    interrupted,  // we were asked to end
    fatal,        // the run cannot go on: the command cannot be started, the keeper died, …
  };
  Kind kind = Kind::success;
  std::string sentence;  // failed, fatal: what happened, for "job 7 (fspl-x.fspl): …"
  std::string how;       // the same in a word or two, for the next attempt's PENSTOCK_PREVIOUS
  bool may_have_been_applied = false;
  bool bad_data = false;   // failed: the job file is at fault
  bool bad_seal = false;   // failed: its payload is not the one that was sealed
  bool not_read = false;   // failed: its payload could not be read to the end; the next time it may
  bool try_again = false;  // failed: it stood still, and --on-stall says retry
  std::optional<std::string>
      stuck;           // somebody of this job lives on, with the gate shut and the lock held
  std::string report;  // several lines, for the quarantine
};

// Borrows everything for as long as run_job() takes.
struct JobContext {
  pipeline::Engine& engine;
  const pipeline::Options& options;
  const JobSettings& settings;
  Interruption& interruption;
  Progress& progress;
};

// A job of a queue.
struct QueueJob {
  const spool::Queue& queue;
  const spool::ScannedJob& job;
  spool::Attempt attempt;
  std::function<void()> started;         // called once the command has been ordered; may be null
  std::chrono::microseconds patience{};  // for EventLoop::run_until(), if it will be over soon
};
// What it has no use for, as a decoder whose job is not run, stays in `opened`.
JobEnd run_job(const JobContext& context, const QueueJob& job, OpenedJob& opened);

// The job on standard input (stdin-process): its header has been read from `fd`, which stands at
// the payload.
JobEnd run_stdin_job(const JobContext& context, const packet::Metadata& metadata,
                     uint64_t header_bytes, int fd);

// Runs a short command of the user's own through the keeper and waits for it; its tree is ended if
// we are interrupted.
sys::ExitStatus run_helper(const JobContext& context, const std::string& shell_command,
                           std::vector<std::string> env);

}  // namespace penstock::work
