#include "work/job_run.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "sys/beneath.h"
#include "sys/files.h"
#include "work/run_failure.h"

namespace penstock::work {

namespace {

using pipeline::Outcome;

// JOBFILE.out, where output of earlier attempts stays (D26).
sys::UniqueFd open_output(const std::string& path, uint32_t attempt) {
  // O_NONBLOCK: a FIFO of that name must not hang us; a regular file does not care.
  auto opened = sys::try_open_unplanted(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK);
  if (!opened) throw sys::open_error(path);
  const std::string name = printable(path);
  sys::UniqueFd fd = std::move(*opened);
  if (fcntl(fd.get(), F_SETFL, O_APPEND) != 0) throw Error::from_errno(cat("open ", name));
  const struct stat status = sys::status_of(fd.get(), name);
  if (S_ISREG(status.st_mode) && status.st_nlink > 1) {
    // Whoever may add names here could have us write to a file that he may not write himself.
    throw Error(cat(name, " has other names elsewhere (", status.st_nlink,
                    " hard links): nothing is written to it"));
  }
  if (status.st_size > 0) {
    sys::write_all(fd.get(),
                   cat("--- attempt ", attempt, ", ", rfc3339_local(Timestamp::now()), "\n"), path);
  }
  return fd;
}

bool died_by(const std::optional<sys::ExitStatus>& status, int signal) {
  if (!status || status->success()) return false;
  constexpr int kShells = 128;
  return status->was_killed() ? status->signal() == signal : status->code() == kShells + signal;
}

// Ctrl-C reaches the job's processes as well as us: their death by it is no failure of the job. One
// that was given time, and has not died by the signal, has failed by itself.
bool is_cut_short(const Outcome& outcome, Interruption& interruption) {
  if (outcome.kind == Outcome::Kind::success || !interruption.has_come_by_now()) return false;
  if (!interruption.is_patient()) return true;
  const int signal = *interruption.signal();
  return died_by(outcome.command, signal) ||
         std::ranges::any_of(outcome.stages, [signal](const pipeline::Stages::Stage& stage) {
           return died_by(stage.status, signal);
         });
}

// Waits for the run, telling it of a signal and people of its progress.
Outcome wait_for(const JobContext& context, pipeline::Run& run, const std::string& name,
                 std::chrono::microseconds patience = {}) {
  // Both leave this run alone again, also if an exception ends the wait.
  struct Listeners {
    Listeners(const JobContext& to, pipeline::Run& run, const std::string& name) : context(to) {
      context.interruption.tell([&run](int signal) { run.interrupt(signal); });
      context.progress.job_started(name, [&run] { return run.bytes_fed(); });
    }
    Listeners(const Listeners&) = delete;
    Listeners& operator=(const Listeners&) = delete;
    ~Listeners() {
      context.progress.job_ended();
      context.interruption.tell(nullptr);
    }
    const JobContext& context;
  };
  {
    const Listeners listeners(context, run, name);
    context.engine.loop.run_until([&run] { return run.is_done(); }, patience);
  }
  Outcome outcome = run.outcome();
  if (is_cut_short(outcome, context.interruption)) outcome.kind = Outcome::Kind::interrupted;
  return outcome;
}

std::string words_of(const Outcome& outcome) {
  if (outcome.kind == Outcome::Kind::command_failed && !outcome.command_words.empty()) {
    return cat(" (", outcome.command_words, ")");
  }
  if (outcome.kind != Outcome::Kind::upstream_failed) return {};
  if (!outcome.decoder_words.empty()) return cat(" (", outcome.decoder_words, ")");
  for (const pipeline::Stages::Stage& stage : outcome.stages) {
    if (!stage.status || stage.status->success()) continue;
    for (const pipeline::Redirect& redirect : stage.spec.redirects) {
      if (redirect.fd == STDERR_FILENO && redirect.path == "/dev/null") {
        return cat("; why, it has said to /dev/null, as the decoder's 2>/dev/null has it");
      }
    }
    break;
  }
  return {};
}

// The words are promised in penstock(1).
std::string how_it_ended(const Outcome& outcome) {
  switch (outcome.kind) {
    case Outcome::Kind::success:
      return "";
    case Outcome::Kind::command_failed:
      if (!outcome.command) return "failed: killed";
      return outcome.command->was_killed()
                 ? cat("failed: killed by ", sys::signal_name(outcome.command->signal()))
                 : cat("failed: exit ", outcome.command->code());
    case Outcome::Kind::upstream_failed:
      return "failed: decoder";
    case Outcome::Kind::payload_failed:
    case Outcome::Kind::too_large:
      return "failed: payload";
    case Outcome::Kind::seal_broken:
      return "failed: seal";
    case Outcome::Kind::timed_out:
      return "failed: timeout";
    case Outcome::Kind::stalled:
    case Outcome::Kind::stalled_try_again:
      return "failed: stalled";
    case Outcome::Kind::cannot_start_command:
    case Outcome::Kind::cannot_start_decoder:
    case Outcome::Kind::means_missing:
      return "failed: not started";
    case Outcome::Kind::interrupted:
    case Outcome::Kind::keeper_died:
      break;
  }
  return std::string(spool::kInterrupted);
}

std::string report_of(const Outcome& outcome) {
  std::string text;
  for (const pipeline::Stages::Stage& stage : outcome.stages) {
    text += cat("stage: ", printable(shell_join(stage.spec.argv)), ": ",
                stage.status ? stage.status->sentence() : "was not seen to end", "\n");
  }
  text += cat("bytes fed to the command: ", outcome.bytes, "\n");
  for (const std::string& sentence : outcome.stalls) text += cat("stall: ", sentence, "\n");
  const auto add_end_of = [&text](std::string_view whose, const std::string& said) {
    if (said.empty()) return;
    text += cat("the end of the ", whose, " stderr:\n", said);
    if (!text.ends_with('\n')) text += '\n';
  };
  add_end_of("decoder's", outcome.decoder_stderr);
  add_end_of("command's", outcome.command_stderr);
  return text;
}

JobEnd end_of(const Outcome& outcome, const std::string& title) {
  JobEnd end{.sentence = outcome.sentence + words_of(outcome),
             .how = how_it_ended(outcome),
             .may_have_been_applied = outcome.may_have_been_applied,
             .stuck = outcome.stuck,
             .report = report_of(outcome)};
  switch (outcome.kind) {
    case Outcome::Kind::success:
      end.kind = JobEnd::Kind::success;
      if (outcome.command && !outcome.command->success()) {
        Log::info(cat(title, ": the command exited ", outcome.command->code(),
                      ", so the job was done before"));
      }
      break;
    case Outcome::Kind::command_failed:
      end.kind = JobEnd::Kind::failed;
      break;
    case Outcome::Kind::seal_broken:
      end.bad_seal = true;
      [[fallthrough]];
    case Outcome::Kind::too_large:
      end.kind = JobEnd::Kind::failed;
      end.bad_data = true;
      break;
    case Outcome::Kind::payload_failed:
      end.kind = JobEnd::Kind::failed;
      end.not_read = true;
      break;
    case Outcome::Kind::upstream_failed:
    case Outcome::Kind::timed_out:
    case Outcome::Kind::stalled:
      end.kind = JobEnd::Kind::failed;
      break;
    case Outcome::Kind::stalled_try_again:
      end.kind = JobEnd::Kind::failed;
      end.try_again = true;
      break;
    case Outcome::Kind::interrupted:
      end.kind = JobEnd::Kind::interrupted;
      break;
    case Outcome::Kind::cannot_start_command:
      // Too long is the packet's fault, and must not stop the queue for ever (D11); all else is
      // ours.
      end.kind = outcome.error_number == E2BIG ? JobEnd::Kind::failed : JobEnd::Kind::fatal;
      break;
    case Outcome::Kind::cannot_start_decoder:
    case Outcome::Kind::keeper_died:
    case Outcome::Kind::means_missing:
      end.kind = JobEnd::Kind::fatal;
      break;
  }
  return end;
}

// A check that could not be run (126 and 127 are a shell's words for that) or was killed has not
// said "not applied".
bool gave_no_answer(const sys::ExitStatus& check) {
  return check.was_killed() || check.exited_with(126) || check.exited_with(127);
}

// NOP and Fail, and packets that no command can be given; nothing if it is to be run.
std::optional<JobEnd> end_without_running(const CommandLine& line,
                                          const packet::Metadata& metadata) {
  if (metadata.kind == packet::Kind::nop) return JobEnd{};
  if (metadata.kind == packet::Kind::fail) {
    return JobEnd{.kind = JobEnd::Kind::failed,
                  .sentence = "it is a job that always fails (prepare-fail)",
                  .how = "failed: not run"};
  }
  if (const auto reason = unusable_packet(metadata)) {
    return JobEnd{.kind = JobEnd::Kind::failed, .sentence = *reason, .how = "failed: not run"};
  }
  if (!line.allow_job_params || !line.allowed_params) return std::nullopt;
  if (const auto reason = refused_parameter(*line.allowed_params, metadata.params)) {
    return JobEnd{.kind = JobEnd::Kind::failed,
                  .sentence = *reason,
                  .how = "failed: not run",
                  .bad_data = true};
  }
  return std::nullopt;
}

// What can be told before the payload is looked at.
std::optional<JobEnd> refuse(const JobContext& context, const packet::Metadata& metadata) {
  if (!metadata.seal) {
    if (!context.settings.require_seal) return std::nullopt;
    return JobEnd{.kind = JobEnd::Kind::failed,
                  .sentence = "it is not sealed, which --require-seal asks for",
                  .how = "failed: not run",
                  .bad_data = true};
  }
  const pipeline::Options& options = context.options;
  const bool has_command = metadata.kind == packet::Kind::command;
  if (has_command && options.stdin_kind == pipeline::StdinKind::file && !options.verify_before) {
    return JobEnd{.kind = JobEnd::Kind::failed,
                  .sentence =
                      "it is sealed, and --stdin file would hand over bytes that nobody "
                      "has checked; add --verify before",
                  .how = "failed: not run"};
  }
  return std::nullopt;
}

// A NOP is done only if its decoder says so after its last byte, and its seal is good, as every
// job: a damaged or forged one would make the queue pass over the job whose number it carries.
JobEnd judge_nop(const JobContext& context, pipeline::Run::Config config) {
  pipeline::Options options = context.options;
  options.verify_before = false;
  options.close_on_early_end = false;
  options.stdin_kind = pipeline::StdinKind::pipe;
  const std::string title = cat("job ", config.job);
  config.command.spec.argv = {"/bin/sh", "-c", ":"};
  config.command.env = context.engine.environment;
  pipeline::Run run(context.engine, options, std::move(config));
  JobEnd end = end_of(wait_for(context, run, title), "");
  end.may_have_been_applied = false;  // there was nothing to apply
  return end;
}

void set_payload(pipeline::Run::Config& config, const QueueJob& job, OpenedJob& opened) {
  config.seal = opened.metadata.seal;
  if (opened.upstream) {
    config.payload = std::move(opened.upstream);
  } else if (opened.decoded) {
    config.payload = pipeline::FilePayload{.size = opened.decoded->size(),
                                           .name = "the decoded payload",
                                           .bytes = std::move(opened.decoded)};
  } else {
    config.payload = pipeline::FilePayload{.fd = std::move(opened.file.fd),
                                           .offset = opened.payload_offset,
                                           .size = opened.file.id.size - opened.payload_offset,
                                           .name = job.job.name};
  }
}

}  // namespace

JobEnd run_job(const JobContext& context, const QueueJob& job, OpenedJob& opened) {
  const packet::JobFile place{.file_name = job.job.name, .queue_dir = job.queue.dir()};
  const std::string label = cat(printable(job.queue.dir()), "#", job.job.number);
  const std::string title = cat("job ", job.job.number, " (", printable(job.job.name), ")");
  sys::UniqueFd output;
  if (context.settings.save_output) {
    try {
      output = open_output(job.queue.job_path(job.job.name) + ".out", job.attempt.number);
    } catch (const Error& error) {
      throw RunFailure(FailureKind::io, cat(title, ": ", error.message()));
    }
  }
  if (auto end = refuse(context, opened.metadata)) return *end;
  pipeline::Run::Config config{.queue = job.queue.dir(),
                               .job = cat(job.job.number, " ", job.job.name)};
  if (auto end = end_without_running(context.settings.command, opened.metadata)) {
    const bool can_be_judged =
        (opened.upstream || opened.metadata.seal) && !context.settings.ignore_payload;
    if (end->kind != JobEnd::Kind::success || !can_be_judged) return *end;
    set_payload(config, job, opened);
    return judge_nop(context, std::move(config));
  }
  if (!opened.metadata.params.empty() && !context.settings.command.allow_job_params) {
    Log::debug(cat(title, ": its parameters are not passed on (see --allow-job-params)"));
  }

  config.command.spec.argv = command_arguments(context.settings.command, opened.metadata);
  config.command.env =
      command_environment(context.engine.environment,
                          packet::job_environment(opened.metadata, place), job.attempt, label);
  if (context.settings.idempotent_check && job.attempt.number > 1) {
    const sys::ExitStatus check =
        run_helper(context, *context.settings.idempotent_check, config.command.env);
    if (context.interruption.has_come()) {
      return {.kind = JobEnd::Kind::interrupted, .how = std::string(spool::kInterrupted)};
    }
    if (check.success()) {
      Log::info(cat(title, ": already applied, as the check says; it is not run again"));
      return {};
    }
    if (gave_no_answer(check)) {
      return {.kind = JobEnd::Kind::fatal,
              .sentence = cat("it was tried before, and whether it was applied nobody knows: the ",
                              "check (--idempotent-check) ", check.sentence()),
              .how = job.attempt.previous};
    }
  }
  if (output) {
    config.command.fds = {{STDOUT_FILENO, output.get()}, {STDERR_FILENO, output.get()}};
  }
  config.command_ok = context.settings.already_done_status;
  config.spool_dir = job.queue.jobs_path();
  config.spool_at_least = job.job.id.size;
  if (context.settings.ignore_payload) {
    config.payload = pipeline::NoPayload{};
    if (opened.upstream) opened.upstream->retire();
  } else {
    set_payload(config, job, opened);
  }
  pipeline::Run run(context.engine, context.options, std::move(config));
  if (job.started) job.started();
  const Outcome outcome = wait_for(context, run, cat("job ", job.job.number), job.patience);
  if (opened.upstream) {
    context.engine.loop.run_until(
        [&] { return opened.upstream->is_gone() || opened.upstream->processes().keeper_died(); });
  }
  return end_of(outcome, title);
}

JobEnd run_stdin_job(const JobContext& context, const packet::Metadata& metadata,
                     uint64_t header_bytes, int fd) {
  if (auto end = refuse(context, metadata)) return *end;
  pipeline::Run::Config config{.queue = "-", .job = cat(metadata.sequence, " standard input")};
  if (auto end = end_without_running(context.settings.command, metadata)) {
    if (end->kind != JobEnd::Kind::success || !metadata.seal || context.settings.ignore_payload)
      return *end;
    config.payload = pipeline::StreamPayload{.fd = fd, .name = "standard input"};
    config.seal = metadata.seal;
    return judge_nop(context, std::move(config));
  }
  config.command.spec.argv = command_arguments(context.settings.command, metadata);
  config.command.env =
      command_environment(context.engine.environment, packet::job_environment(metadata), {},
                          cat("stdin#", metadata.sequence));
  config.spool_dir = ".";
  const struct stat status = sys::status_of(fd, "standard input");
  if (context.settings.ignore_payload) {
    config.payload = pipeline::NoPayload{};
  } else if (S_ISREG(status.st_mode) && !context.options.verify_before &&
             context.options.stdin_kind == pipeline::StdinKind::file) {
    const off_t begin = ::lseek(fd, 0, SEEK_CUR);
    const auto size = static_cast<uint64_t>(std::max<off_t>(status.st_size - begin, 0));
    config.payload = pipeline::FilePayload{
        .fd = sys::duplicate(fd), .offset = header_bytes, .size = size, .name = "standard input"};
  } else {
    // Read by position, not by size: its description is our caller's, who may read on from where we
    // stop.
    config.payload = pipeline::StreamPayload{.fd = fd, .name = "standard input"};
    config.seal = metadata.seal;
  }
  pipeline::Run run(context.engine, context.options, std::move(config));
  const std::string name = cat("job ", metadata.sequence);
  return end_of(wait_for(context, run, name), name);
}

sys::ExitStatus run_helper(const JobContext& context, const std::string& shell_command,
                           std::vector<std::string> env) {
  pipeline::Run::Config config{.payload = pipeline::NoPayload{}};
  config.command.spec.argv = {"/bin/sh", "-c", shell_command};
  config.command.env = std::move(env);
  pipeline::Run run(context.engine, context.options, std::move(config));
  const Outcome outcome = wait_for(context, run, "the check");
  if (outcome.kind == Outcome::Kind::cannot_start_command) throw Error(outcome.sentence);
  return outcome.command.value_or(sys::ExitStatus::exited(1));
}

}  // namespace penstock::work
