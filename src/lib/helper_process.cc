#include "lib/helper_process.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string_view>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "lib/request.h"
#include "pipeline/run.h"
#include "sys/event_loop.h"
#include "sys/files.h"
#include "sys/message_socket.h"
#include "sys/process.h"
#include "sys/signals.h"

namespace penstock::lib {

namespace {

using pipeline::Outcome;
using Stage = pipeline::Stages::Stage;

pipeline::GateStrength engine_of(api::Gate gate) {
  switch (gate) {
    case api::Gate::hold:
      return pipeline::GateStrength::hold;
    case api::Gate::eof:
      return pipeline::GateStrength::eof;
    case api::Gate::off:
      return pipeline::GateStrength::off;
  }
  std::abort();
}

pipeline::OnStall engine_of(api::OnStall policy) {
  switch (policy) {
    case api::OnStall::report:
      return pipeline::OnStall::report;
    case api::OnStall::heal:
      return pipeline::OnStall::heal;
    case api::OnStall::kill:
      return pipeline::OnStall::kill;
  }
  std::abort();
}

// As on the command line; "never" in somebody's code is often the largest number there is.
std::chrono::milliseconds at_most_a_year(std::chrono::milliseconds time) {
  return std::min<std::chrono::milliseconds>(time, std::chrono::hours(365 * 24));
}

pipeline::Options engine_of(const api::RunOptions& options) {
  pipeline::Options out;
  out.gate = engine_of(options.gate);
  out.verify_before = options.verify_before;
  out.spool_dir = options.spool_dir;
  out.decoder_ok = options.also_ok;
  // The end of the socket that the keeper has, too, must not reach a stage: it tells that all of us
  // are gone.
  out.close_fds = true;
  if (options.pipe_size != 0) out.pipe_size = options.pipe_size;
  out.kill_grace = at_most_a_year(options.kill_grace);
  out.stall = {.after = at_most_a_year(options.stall_after),
               .on_stall = engine_of(options.on_stall),
               .kill_after = at_most_a_year(options.kill_after)};
  if (options.timeout.count() != 0) out.timeout = at_most_a_year(options.timeout);
  out.count_io = true;
  return out;
}

api::Ending public_of(Outcome::Kind kind) {
  switch (kind) {
    case Outcome::Kind::success:
      return api::Ending::success;
    case Outcome::Kind::command_failed:
      return api::Ending::command_failed;
    case Outcome::Kind::upstream_failed:
      return api::Ending::upstream_failed;
    case Outcome::Kind::payload_failed:
    case Outcome::Kind::seal_broken:
    case Outcome::Kind::too_large:
    case Outcome::Kind::means_missing:
      return api::Ending::payload_failed;
    case Outcome::Kind::timed_out:
      return api::Ending::timed_out;
    case Outcome::Kind::stalled:
    case Outcome::Kind::stalled_try_again:
      return api::Ending::stalled;
    case Outcome::Kind::interrupted:
      return api::Ending::interrupted;
    case Outcome::Kind::cannot_start_command:
    case Outcome::Kind::cannot_start_decoder:
      return api::Ending::cannot_start;
    case Outcome::Kind::keeper_died:
      return api::Ending::lost;
  }
  std::abort();
}

api::StageResult public_of(const Stage& stage) {
  api::StageResult out;
  out.command = stage.spec.argv;
  out.pid = stage.pid;
  if (stage.status && stage.status->was_killed()) out.signal = stage.status->signal();
  if (stage.status && !stage.status->was_killed()) out.exit_code = stage.status->code();
  out.start_error = stage.spawn_error;
  out.is_counted = stage.is_counted;
  out.bytes_read = stage.bytes_read;
  out.bytes_written = stage.bytes_written;
  if (stage.status) {
    out.took = std::chrono::duration_cast<std::chrono::milliseconds>(stage.ended - stage.started);
  }
  return out;
}

api::Result public_of(const Outcome& outcome) {
  api::Result out;
  out.ok = outcome.kind == Outcome::Kind::success;
  out.ending = public_of(outcome.kind);
  out.sentence = outcome.sentence;
  out.may_have_been_applied = outcome.may_have_been_applied;
  out.stuck = outcome.stuck;
  out.stalls = outcome.stalls;
  for (const Stage& stage : outcome.stages) out.stages.push_back(public_of(stage));
  return out;
}

// What asks a helper to end its run: a signal, a word of the caller's, or his death.
class EndRequests {
 public:
  // Made before there is any thread: each inherits what is blocked.
  EndRequests(sys::EventLoop& loop, sys::MessageSocket& caller)
      : loop_(loop), caller_(caller), signals_(caught()) {}

  // From now on they end `run`, those of before included.
  void go_to(pipeline::Run& run) {
    signal_watch_.emplace(loop_, signals_.fd(), EPOLLIN, [this, &run](uint32_t) {
      if (const auto signal = signals_.next()) run.interrupt(*signal);
    });
    caller_watch_.emplace(loop_, caller_.fd(), EPOLLIN, [this, &run](uint32_t) {
      if (caller_.receive()) return;
      caller_watch_.reset();  // the end of the socket stays readable
      is_cancelled_ = true;
      run.interrupt(SIGTERM);
    });
  }
  bool is_cancelled() const { return is_cancelled_; }

 private:
  // Those that the caller ignores (nohup) stay ignored.
  static sys::SignalFd caught() {
    sigset_t set = sys::signal_set({});
    for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM}) {
      if (sys::is_ignored(signal)) continue;
      sys::block_signals({signal});
      sigaddset(&set, signal);
    }
    return sys::SignalFd(set);
  }

  sys::EventLoop& loop_;
  sys::MessageSocket& caller_;
  sys::SignalFd signals_;
  bool is_cancelled_ = false;
  std::optional<sys::Watch> signal_watch_;
  std::optional<sys::Watch> caller_watch_;
};

// Returns when the keeper is gone, too, unless it has to stay.
api::Result run(const Request& request, sys::MessageSocket& caller) {
  const pipeline::Options options = engine_of(request.options);
  std::vector<pipeline::StageSpec> stages;
  stages.reserve(request.stages.size());
  for (const api::Command& command : request.stages) stages.push_back({.argv = command});

  pipeline::Engine engine;
  EndRequests requests(engine.loop, caller);
  pipeline::Run::Config config{.queue = "-", .job = "run", .spool_dir = options.spool_dir};
  config.command.spec = std::move(stages.back());
  config.command.env = engine.environment;
  stages.pop_back();
  if (stages.empty()) {
    config.payload = pipeline::InheritedStdin{};
  } else {
    const bool feeds_command =
        options.gate != pipeline::GateStrength::hold && !options.verify_before;
    config.payload = std::make_unique<pipeline::Upstream>(
        engine, options,
        pipeline::Upstream::Config{
            .stages = std::move(stages), .feeds_command = feeds_command, .tap = std::nullopt});
  }
  pipeline::Run run(engine, options, std::move(config));
  requests.go_to(run);
  engine.loop.run_until([&run] { return run.is_done(); });
  api::Result result = public_of(run.outcome());
  if (result.ending == api::Ending::interrupted && requests.is_cancelled()) {
    result.ending = api::Ending::cancelled;
    result.sentence = "cancelled";
  }
  return result;
}

Answer answer(std::string_view text, sys::MessageSocket& caller) {
  Answer out;
  try {
    out.result = run(Request::decode(text), caller);
  } catch (const Error& error) {
    out.error = error.message();
    out.error_number = error.code().value();
  } catch (const std::exception& error) {
    out.error = error.what();
  }
  return out;
}

}  // namespace

int helper_main(std::span<char* const> arguments) {
  try {
    if (arguments.size() != 1 || arguments[0] != version()) return kOtherVersion;
    sys::fill_closed_standard_fds();
    sys::ignore_sigpipe();
    sys::set_process_name(kHelperName);
    // Standard error is the caller's: what there is to tell is in the answer.
    Log::set_level(LogLevel::none);
    // Not close-on-exec: the keeper is to have it, too, so that its end tells of both.
    sys::MessageSocket caller{sys::UniqueFd(kHelperFd)};
    const auto request = caller.receive();
    if (!request) return EXIT_SUCCESS;  // cancelled before it began
    caller.send(answer(request->text, caller).encode());
    return EXIT_SUCCESS;
  } catch (const std::exception&) {
    return EXIT_FAILURE;  // the caller is gone; whoever called this by hand gets a status
  }
}

}  // namespace penstock::lib
