#include "work/job_run.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "sys/files.h"
#include "work/run_failure.h"

namespace penstock::work {

namespace {

using pipeline::Outcome;

// JOBFILE.out, where output of earlier attempts stays (D26).
sys::UniqueFd open_output(const std::string& path, uint32_t attempt) {
  // O_NONBLOCK: a FIFO of that name must not hang us; a regular file does not care.
  sys::UniqueFd fd = sys::open_file(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK);
  if (fcntl(fd.get(), F_SETFL, O_APPEND) != 0)
    throw Error::from_errno(cat("open ", printable(path)));
  if (sys::status_of(fd.get(), path).st_size > 0) {
    sys::write_all(fd.get(),
                   cat("--- attempt ", attempt, ", ", rfc3339_local(Timestamp::now()), "\n"), path);
  }
  return fd;
}

// Waits for the run, telling it of a signal and people of its progress.
Outcome wait_for(const JobContext& context, pipeline::Run& run, const std::string& name) {
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
    context.engine.loop.run_until([&run] { return run.is_done(); });
  }
  Outcome outcome = run.outcome();
  // Ctrl-C reaches the job's processes as well as us: their death by it is no failure of the job.
  if (outcome.kind != Outcome::Kind::success && context.interruption.has_come_by_now()) {
    outcome.kind = Outcome::Kind::interrupted;
  }
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

std::string report_of(const Outcome& outcome) {
  std::string text = cat("reason: ", outcome.sentence, words_of(outcome), "\n");
  for (const pipeline::Stages::Stage& stage : outcome.stages) {
    text += cat("stage: ", printable(shell_join(stage.spec.argv)), ": ",
                stage.status ? stage.status->sentence() : "was not seen to end", "\n");
  }
  text += cat("bytes fed to the command: ", outcome.bytes, "\n");
  if (!outcome.command_stderr.empty()) {
    text += cat("the end of the command's stderr:\n", outcome.command_stderr);
    if (!text.ends_with('\n')) text += '\n';
  }
  return text;
}

JobEnd end_of(const Outcome& outcome, const JobSettings& settings) {
  JobEnd end{.sentence = outcome.sentence + words_of(outcome),
             .may_have_been_applied = outcome.may_have_been_applied,
             .stuck = outcome.stuck,
             .report = report_of(outcome)};
  switch (outcome.kind) {
    case Outcome::Kind::success:
      end.kind = JobEnd::Kind::success;
      break;
    case Outcome::Kind::command_failed:
      end.kind = JobEnd::Kind::failed;
      if (settings.already_done_status &&
          outcome.command->exited_with(*settings.already_done_status)) {
        end.kind = JobEnd::Kind::success;
        Log::info(
            cat("the command exited ", *settings.already_done_status, ": already done before"));
      }
      break;
    case Outcome::Kind::upstream_failed:
    case Outcome::Kind::payload_failed:
    case Outcome::Kind::timed_out:
    case Outcome::Kind::stalled:
      end.kind = JobEnd::Kind::failed;
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
      end.kind = JobEnd::Kind::fatal;
      break;
  }
  return end;
}

// NOP and Fail, and packets that no command can be given; nothing if it is to be run.
std::optional<JobEnd> end_without_running(const packet::Metadata& metadata) {
  if (metadata.kind == packet::Kind::nop) return JobEnd{};
  if (metadata.kind == packet::Kind::fail) {
    return JobEnd{.kind = JobEnd::Kind::failed,
                  .sentence = "it is a job that always fails (prepare-fail)"};
  }
  if (const auto reason = unusable_packet(metadata)) {
    return JobEnd{.kind = JobEnd::Kind::failed, .sentence = *reason};
  }
  return std::nullopt;
}

// A NOP behind a decoder is done only if the decoder says so after its last byte, as every job: a
// damaged or forged one would make the queue pass over the job whose number it carries.
JobEnd judge_decoder(const JobContext& context, std::unique_ptr<pipeline::Upstream> upstream,
                     const QueueJob& job) {
  pipeline::Options options = context.options;
  options.verify_before = false;
  options.close_on_early_end = false;
  pipeline::Run::Config config{.payload = std::move(upstream),
                               .queue = job.queue.dir(),
                               .job = cat(job.job.number, " ", job.job.name)};
  config.command.spec.argv = {"/bin/sh", "-c", ":"};
  config.command.env = context.engine.environment;
  pipeline::Run run(context.engine, options, std::move(config));
  JobEnd end = end_of(wait_for(context, run, cat("job ", job.job.number)), {});
  end.may_have_been_applied = false;  // there was nothing to apply
  return end;
}

}  // namespace

JobEnd run_job(const JobContext& context, const QueueJob& job, Scanner::Opened& opened) {
  const packet::JobFile place{.file_name = job.job.name, .queue_dir = job.queue.dir()};
  const std::string label = cat(printable(job.queue.dir()), "#", job.job.number);
  sys::UniqueFd output;
  if (context.settings.save_output) {
    try {
      output = open_output(job.queue.job_path(job.job.name) + ".out", job.attempt);
    } catch (const Error& error) {
      throw RunFailure(FailureKind::io, cat("job ", job.job.number, " (", printable(job.job.name),
                                            "): ", error.message()));
    }
  }
  if (auto end = end_without_running(opened.metadata)) {
    const bool can_be_judged = opened.upstream && !context.settings.ignore_payload;
    if (end->kind != JobEnd::Kind::success || !can_be_judged) return *end;
    return judge_decoder(context, std::move(opened.upstream), job);
  }
  if (!opened.metadata.params.empty() && !context.settings.command.allow_job_params) {
    Log::debug(cat("job ", job.job.number, " (", printable(job.job.name),
                   "): its parameters are not passed on (see --allow-job-params)"));
  }

  pipeline::Run::Config config{.queue = job.queue.dir(),
                               .job = cat(job.job.number, " ", job.job.name)};
  config.command.spec.argv = command_arguments(context.settings.command, opened.metadata);
  config.command.env =
      command_environment(context.engine.environment,
                          packet::job_environment(opened.metadata, place), job.attempt, label);
  if (context.settings.idempotent_check && job.attempt > 1) {
    const sys::ExitStatus check =
        run_helper(context, *context.settings.idempotent_check, config.command.env);
    if (context.interruption.has_come()) return {.kind = JobEnd::Kind::interrupted};
    if (check.success()) {
      Log::info(
          cat("job ", job.job.number, ": already applied, as the check says; it is not run again"));
      return {};
    }
  }
  if (output) {
    config.command.fds = {{STDOUT_FILENO, output.get()}, {STDERR_FILENO, output.get()}};
  }
  config.spool_dir = job.queue.jobs_path();
  config.spool_at_least = job.job.id.size;
  if (context.settings.ignore_payload) {
    config.payload = pipeline::NoPayload{};
    if (opened.upstream) opened.upstream->retire();
  } else if (opened.upstream) {
    config.payload = std::move(opened.upstream);
  } else {
    config.payload = pipeline::FilePayload{.fd = std::move(opened.file.fd),
                                           .offset = opened.payload_offset,
                                           .size = opened.file.id.size - opened.payload_offset,
                                           .name = job.job.name};
  }
  pipeline::Run run(context.engine, context.options, std::move(config));
  if (job.started) job.started();
  const Outcome outcome = wait_for(context, run, cat("job ", job.job.number));
  if (opened.upstream) {
    context.engine.loop.run_until(
        [&] { return opened.upstream->is_gone() || opened.upstream->processes().keeper_died(); });
  }
  return end_of(outcome, context.settings);
}

JobEnd run_stdin_job(const JobContext& context, const packet::Metadata& metadata,
                     uint64_t header_bytes, int fd) {
  if (auto end = end_without_running(metadata)) return *end;
  pipeline::Run::Config config{.queue = "-", .job = cat(metadata.sequence, " standard input")};
  config.command.spec.argv = command_arguments(context.settings.command, metadata);
  config.command.env =
      command_environment(context.engine.environment, packet::job_environment(metadata), 1,
                          cat("stdin#", metadata.sequence));
  config.spool_dir = ".";
  const struct stat status = sys::status_of(fd, "standard input");
  if (context.settings.ignore_payload) {
    config.payload = pipeline::NoPayload{};
  } else if (S_ISREG(status.st_mode) && !context.options.verify_before &&
             context.options.stdin_kind == pipeline::StdinKind::file) {
    config.payload = pipeline::FilePayload{
        .fd = sys::duplicate(fd), .offset = header_bytes, .name = "standard input"};
  } else {
    // Read by position, not by size: its description is our caller's, who may read on from where we
    // stop.
    config.payload = pipeline::StreamPayload{.fd = fd, .name = "standard input"};
  }
  pipeline::Run run(context.engine, context.options, std::move(config));
  return end_of(wait_for(context, run, cat("job ", metadata.sequence)), context.settings);
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
