#include "pipeline/run.h"

#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "pipeline/keeper_process.h"
#include "pipeline/payload_limit.h"
#include "procfs/process_table.h"
#include "sys/files.h"

namespace penstock::pipeline {

using namespace std::chrono_literals;

namespace {

// After one stage has failed the others get this long to end by themselves, so that the report is
// complete.
constexpr auto kFailurePatience = 2s;
// After all stages have exited, nobody may hold the end of their pipe (R12).
constexpr auto kLeftBehindPatience = 2s;
// A command whose gate was open already may be committing.
constexpr auto kOpenGrace = 5s;

}  // namespace

Run::Run(Engine& engine, const Options& options, Config config)
    : engine_(engine),
      options_(options),
      config_(std::move(config)),
      first_turn_(engine.loop, [this] { evaluate(); }),
      timeout_timer_(
          engine.loop,
          [this] {
            const auto seconds =
                std::chrono::duration_cast<std::chrono::seconds>(*options_.timeout).count();
            fail(Outcome::Kind::timed_out,
                 cat(who_still_runs(), " was still running after ", seconds, " s"));
          }),
      failure_timer_(engine.loop,
                     [this] {
                       failure_settled_ = true;
                       evaluate();
                     }),
      left_behind_timer_(engine.loop,
                         [this] {
                           left_behind_checked_ = true;
                           evaluate();
                         }),
      stall_timer_(engine.loop, [this] { watch_stall(); }) {
  try {
    if (auto* upstream = std::get_if<std::unique_ptr<Upstream>>(&config_.payload)) {
      upstream_ = std::move(*upstream);
      upstream_->processes().set_listener([this] { evaluate(); });
      // Of a parked decoder nobody was told; no other news may follow this one.
      if (upstream_->processes().keeper_died() || upstream_->all_over()) first_turn_.set(0ms);
    }
    check_what_is_known();
    const bool has_payload = !std::holds_alternative<NoPayload>(config_.payload);
    if (options_.verify_before && has_payload) {
      verify_first();
    } else {
      start_command();
    }
    watch_for_stalls();
  } catch (const Error& error) {
    fail_by(error);
  }
}

// Of what went wrong before there was a command.
void Run::fail_by(const Error& error) {
  using Kind = Outcome::Kind;
  // It would befall the next job as well.
  const bool lacks_room = error.is(EMFILE) || error.is(ENFILE) || error.is(ENOMEM);
  Kind kind = Kind::payload_failed;
  if (dynamic_cast<const BrokenSeal*>(&error) != nullptr) {
    kind = Kind::seal_broken;
  } else if (dynamic_cast<const PayloadTooLarge*>(&error) != nullptr) {
    kind = Kind::too_large;
  } else if (lacks_room || dynamic_cast<const MeansMissing*>(&error) != nullptr) {
    kind = Kind::means_missing;
  }
  fail(kind, error.message());
}

std::string Run::who_still_runs() const {
  if (!command_started_ || !command().status) return "the command";
  for (const Stages::Stage& stage : all_stages()) {
    if (!stage.is_over()) return printable(stage.name());
  }
  return "the pipeline";
}

Run::~Run() {
  if (!done_ && gate_) gate_->abandon();
}

// Length and limit, as far as they can be told before a byte is read.
void Run::check_what_is_known() const {
  const auto* file = std::get_if<FilePayload>(&config_.payload);
  if (file != nullptr) check_payload_size(options_.max_payload, file->size);
  if (!config_.seal) return;
  check_payload_size(options_.max_payload, config_.seal->length);
  if (file != nullptr) SealCheck::check_length(*config_.seal, file->size);
}

GateStrength Run::strength() const {
  const bool sealed = config_.seal.has_value();
  const bool is_checked = sealed || options_.max_payload;
  const GateStrength strength =
      options_.gate.value_or(upstream_ || sealed ? GateStrength::hold : GateStrength::eof);
  // What is checked up to the end of the payload nobody may take for whole before.
  return is_checked && strength == GateStrength::off ? GateStrength::eof : strength;
}

void Run::start_command() {
  if (upstream_) {
    processes_ = &upstream_->processes();
  } else {
    own_processes_ = std::make_unique<Stages>(engine_, options_, [this] { evaluate(); });
    processes_ = own_processes_.get();
  }
  feed_command();

  std::vector<std::pair<int, int>> fds = config_.command.fds;
  if (command_stdin_) fds.emplace_back(STDIN_FILENO, command_stdin_.get());
  const bool has_own_stderr =
      std::ranges::any_of(fds, [](const auto& fd) { return fd.first == STDERR_FILENO; });
  if (options_.capture_stderr && !has_own_stderr) {
    command_tap_.emplace(engine_.loop, Forward::yes);
    fds.emplace_back(STDERR_FILENO, command_tap_->writer());
  }
  if (gate_ && strength() != GateStrength::off) {
    // In the very message that orders the command: the keeper never has one without the other.
    fds.emplace_back(kGateRole, gate_->fd());
    fds.emplace_back(kGateTextRole, gate_->text_fd());
  }
  const bool holds = pump_ && (upstream_ || config_.seal) && strength() == GateStrength::hold;
  Stages::GateKind kind = holds ? Stages::GateKind::hold : Stages::GateKind::eof;
  if (!gate_ && !upstream_) kind = Stages::GateKind::none;
  command_index_ = processes_->start(config_.command.spec, config_.command.env, fds, kind);
  command_started_ = true;
  describe_gate();
  command_stdin_.reset();
  if (command_tap_) command_tap_->close_writer();
  config_.command.fds.clear();
  if (options_.timeout) timeout_timer_.set(*options_.timeout);
}

void Run::describe_gate() {
  if (!gate_ || gate_->is_open()) return;
  GateText text{.queue = config_.queue, .job = config_.job};
  if (source_ && sys::is_pipe(source_.get())) text.upstream = sys::inode_of(source_.get());
  for (const Stages::Stage& stage : all_stages()) {
    text.stages.push_back({.name = stage.name(), .pid = stage.pid, .start_time = stage.start_time});
  }
  gate_->describe(text);
}

// Called after every piece of news; decides what is next.
void Run::evaluate() {
  if (done_) return;
  if (phase_ == Phase::ending) {
    look_whether_ended();
    return;
  }
  const Stages* processes = processes_ != nullptr ? processes_
                            : upstream_           ? &upstream_->processes()
                                                  : nullptr;
  if (processes != nullptr && processes->keeper_died()) {
    fail(Outcome::Kind::keeper_died, "the keeper of this run was killed");
    return;
  }
  if (command_started_ && command().spawn_error != 0) {
    outcome_.error_number = command().spawn_error;
    fail(Outcome::Kind::cannot_start_command, start_failure(command()));
    return;
  }
  if (upstream_) {
    if (const auto failure = upstream_->start_failure()) {
      fail(Outcome::Kind::cannot_start_decoder, *failure);
      return;
    }
  }
  const auto failure = payload_failure();
  const bool others_may_be_to_blame = failure && (failure->kind == Outcome::Kind::seal_broken ||
                                                  failure->kind == Outcome::Kind::upstream_failed);
  if (failure && !others_may_be_to_blame) {
    fail(failure->kind, failure->sentence);
    return;
  }
  if (gate_ && command_started_ && !described_ && command().pid != 0) {
    described_ = true;
    describe_gate();
  }

  const Verdict verdict = upstream_verdict();
  const bool command_is_over = command_started_ && command().status.has_value();
  if (verdict.kind == Verdict::Kind::bad) {
    // As in a shell: the command sees the end of its input, and does with it what it does.
    if (strength() == GateStrength::off && command_started_ && !command_is_over) return;
    if (waits_for_others(!upstream_->all_over())) return;
    fail(Outcome::Kind::upstream_failed, verdict.sentence);
    return;
  }
  if (failure) {
    // Of a decoder that failed half-way the payload is cut, too, and so is what a filter of ours is
    // given: it is the one to name.
    if (waits_for_others(verdict.kind == Verdict::Kind::pending)) return;
    fail(failure->kind, failure->sentence);
    return;
  }
  if (command_is_over && !command_succeeded()) {
    // Not where they write into the command's own pipe: its end may be why they fail, then.
    const bool others_can_tell = pump_ && upstream_ && !options_.close_on_early_end;
    const bool asks = options_.asks_all_stages && others_can_tell;
    if (waits_for_others(asks && verdict.kind == Verdict::Kind::pending)) return;
    fail(Outcome::Kind::command_failed, cat("the command ", command().status->sentence()));
    return;
  }
  if (command_is_over && options_.close_on_early_end && upstream_ && has_stopped_reading()) {
    succeed();  // it has had enough, and we were told not to ask what the rest was like
    return;
  }
  if (verdict.kind == Verdict::Kind::good) {
    if (!source_at_end()) {
      watch_left_behind();
      if (phase_ == Phase::ending) return;
    } else if (phase_ == Phase::verifying) {
      verified();
      return;
    } else if (!verdict_given_) {
      if (writer_left_behind()) return;
      verdict_given_ = true;
      if (pump_) pump_->release();
    }
  }
  if (verdict_given_ && gate_ && !gate_->is_open()) {
    const bool all_passed_on = !pump_ || pump_->phase() == Pump::Phase::finished;
    if (all_passed_on) open_gate();
  }
  const bool nothing_to_feed = !gate_ || gate_->is_open();
  if (command_is_over && verdict_given_ && nothing_to_feed) {
    succeed();
  } else if (command_is_over && gate_ && !stall_timer_.is_set() && !(pump_ && pump_->sink_gone())) {
    // Its input is still read by somebody, or nobody has noticed yet that it is not.
    moved_at_last_look_ = bytes_moved();
    if (options_.stall.after > 0ms) stall_timer_.set(options_.stall.after);
  }
}

// Something has failed: whether to wait until the others have ended, so that they are heard. A
// command that has stopped reading is about to say how it was.
bool Run::waits_for_others(bool stages_run_on) {
  const bool command_ends = pump_ && pump_->sink_gone() && !command().status;
  if (failure_settled_ || !(stages_run_on || command_ends)) return false;
  if (!failure_timer_.is_set()) failure_timer_.set(kFailurePatience);
  return true;
}

std::optional<Run::PayloadFailure> Run::payload_failure() const {
  using Kind = Outcome::Kind;
  if (pump_ && pump_->phase() == Pump::Phase::failed) {
    return PayloadFailure{.kind = pump_->seal_is_broken()   ? Kind::seal_broken
                                  : pump_->is_too_large()   ? Kind::too_large
                                  : pump_->is_undecodable() ? Kind::upstream_failed
                                                            : Kind::payload_failed,
                          .sentence = pump_->error()};
  }
  if (!spooled_ || !spooled_->is_done() || spooled_->error().empty()) return std::nullopt;
  PayloadFailure failure{.kind = Kind::payload_failed, .sentence = spooled_->error()};
  if (spooled_->fault() == SpooledPayload::Fault::seal) failure.kind = Kind::seal_broken;
  if (spooled_->fault() == SpooledPayload::Fault::size) failure.kind = Kind::too_large;
  if (spooled_->fault() == SpooledPayload::Fault::means) failure.kind = Kind::means_missing;
  return failure;
}

bool Run::command_succeeded() const {
  if (!command_started_ || !command().status) return false;
  const sys::ExitStatus& status = *command().status;
  return status.success() || (config_.command_ok && status.exited_with(*config_.command_ok));
}

LastReader Run::last_reader() const {
  const bool reads_itself = command_started_ && !pump_;
  if (!reads_itself) return LastReader::reads_to_the_end;
  if (!command().status) return LastReader::still_runs;
  return command_succeeded() ? LastReader::ended_well : LastReader::failed;
}

// Asked of a command that is over: whether it ended before its input did, and nobody else wants the
// rest.
bool Run::has_stopped_reading() const {
  if (!pump_) return !upstream_->all_over();
  return pump_->sink_gone() && pump_->phase() == Pump::Phase::finished;
}

Verdict Run::upstream_verdict() const {
  if (!upstream_) return {.kind = Verdict::Kind::good};
  return upstream_->verdict(options_, last_reader());
}

// Whether all that upstream had to say has been taken (or, without a link of ours, has been
// written).
bool Run::source_at_end() const {
  if (phase_ == Phase::verifying) return spooled_->is_done();
  if (!pump_) return true;
  return pump_->phase() == Pump::Phase::drained || pump_->phase() == Pump::Phase::finished;
}

// All stages have exited, and yet their pipe has no end: 2 s later that is a failure.
void Run::watch_left_behind() {
  if (!upstream_ || upstream_->count() == 0 || !source_) return;
  if (!left_behind_checked_) {
    if (!left_behind_timer_.is_set()) left_behind_timer_.set(kLeftBehindPatience);
    return;
  }
  if (sys::poll_now(source_.get()).hung_up) return;  // only the command is slow
  const auto holder = holder_of(source_.get(), true);
  fail(Outcome::Kind::upstream_failed,
       cat(upstream_->processes().at(upstream_->count() - 1).name(), " left a writer behind",
           holder ? cat(" (", *holder, ")") : ""));
}

// Under `--gate eof` no pipe of ours lies between, and only descriptor tables can tell.
bool Run::writer_left_behind() const {
  if (!upstream_ || pump_ || !gate_) return false;
  const auto holder = holder_of(gate_->fd(), true);
  if (!holder) return false;
  auto* self = const_cast<Run*>(this);
  if (!left_behind_checked_) {
    self->left_behind_timer_.set(kLeftBehindPatience);
    return true;
  }
  self->fail(Outcome::Kind::upstream_failed,
             cat(upstream_->processes().at(upstream_->count() - 1).name(),
                 " left a writer behind (", *holder, ")"));
  return true;
}

// Any number that changes while bytes move.
uint64_t Run::bytes_moved() const {
  return pump_ ? bytes_passed() : bytes_counted();
}

void Run::watch_stall() {
  if (bytes_moved() != moved_at_last_look_) {
    evaluate();  // sets the timer again if there is still something to wait for
    return;
  }
  const auto holder = holder_of(gate_->fd(), false);
  fail(Outcome::Kind::stalled,
       cat("the command exited 0, but ", holder ? *holder : "a process that cannot be seen",
           " holds its input and has taken nothing for ",
           std::chrono::duration_cast<std::chrono::seconds>(options_.stall.after).count(), " s"));
}

void Run::open_gate() {
  processes_->let_go();  // a word to the keeper, then ours
  gate_->close();
}

void Run::succeed() {
  outcome_.kind = Outcome::Kind::success;
  if (stall_handle_) stall_handle_->went_on();
  if (gate_ && !gate_->is_open()) open_gate();
  if (upstream_ && !upstream_->all_over()) {
    // We were told not to ask what the rest is like: nobody reads it any more.
    phase_ = Phase::ending;
    timeout_timer_.clear();
    source_.reset();
    upstream_->retire();
    return;
  }
  finish();
}

void Run::fail(Outcome::Kind kind, std::string sentence) {
  if (phase_ == Phase::ending || done_) return;
  phase_ = Phase::ending;
  outcome_.kind = kind;
  outcome_.sentence = std::move(sentence);
  outcome_.may_have_been_applied = command_succeeded();
  timeout_timer_.clear();
  failure_timer_.clear();
  left_behind_timer_.clear();
  stall_timer_.clear();
  if (pump_) pump_->stop();
  if (processes_ == nullptr && upstream_) processes_ = &upstream_->processes();
  if (processes_ != nullptr && !processes_->is_ending()) {
    const bool opened = gate_ && gate_->is_open();
    auto grace = options_.kill_grace;
    if (opened && grace == 0ms) grace = kOpenGrace;
    processes_->end_tree(opened ? EndMode::gate_open : EndMode::gate_shut, grace,
                         gate_ && !opened ? gate_->fd() : -1);
  }
  first_turn_.set(0ms);  // callers may not expect to be called back from here
}

void Run::look_whether_ended() {
  if (done_) return;
  if (outcome_.kind == Outcome::Kind::success) {
    if (upstream_->is_gone() || processes_->keeper_died()) finish();
    return;
  }
  if (processes_ != nullptr) {
    if (processes_->keeper_died() && outcome_.kind != Outcome::Kind::keeper_died) {
      // It died while it ended the tree: then that is for us to do.
      outcome_.kind = Outcome::Kind::keeper_died;
      processes_->end_tree(EndMode::gate_shut, 0ms, gate_ && !gate_->is_open() ? gate_->fd() : -1);
      return;
    }
    if (processes_->stuck() && processes_->keeper_died()) {
      // Nobody but us holds the gate now: we stay until he is gone.
      if (!std::exchange(told_that_we_stay_, true)) {
        Log::error(
            cat(*processes_->stuck(), "; the keeper is dead, so this process waits for that"));
      }
      if (!processes_->tree_ended()) return;
    } else if (processes_->stuck()) {
      outcome_.stuck = processes_->stuck();
      engine_.keeper.leave_behind();
      finish();
      return;
    }
    if (!processes_->tree_ended()) return;
  }
  // All are dead and nobody reads: only now does the gate go.
  if (gate_ && !gate_->is_open()) open_gate();
  finish();
}

void Run::finish() {
  done_ = true;
  stall_handle_.reset();
  timeout_timer_.clear();
  stall_timer_.clear();
  if (upstream_ && upstream_->tap() != nullptr) {
    upstream_->tap()->drain();
    const Verdict verdict = upstream_verdict();
    const bool bad = verdict.kind == Verdict::Kind::bad;
    outcome_.decoder_words = upstream_->tap()->last_words(
        bad ? upstream_->processes().at(verdict.stage).name() : std::string());
    outcome_.decoder_stderr = upstream_->tap()->tail();
  }
  if (command_tap_) {
    command_tap_->drain();
    outcome_.command_words = command_tap_->last_words();
    outcome_.command_stderr = command_tap_->tail();
  }
  if (command_started_) outcome_.command = command().status;
  outcome_.bytes = bytes_fed();
  outcome_.stages = all_stages();
}

std::vector<Stages::Stage> Run::all_stages() const {
  std::vector<Stages::Stage> stages = verified_stages_;
  const Stages* processes = processes_ != nullptr ? processes_
                            : upstream_           ? &upstream_->processes()
                                                  : nullptr;
  if (processes == nullptr) return stages;
  for (size_t i = 0; i < processes->count(); ++i) stages.push_back(processes->at(i));
  return stages;
}

void Run::interrupt(int signal) {
  fail(Outcome::Kind::interrupted, cat("ended by ", sys::signal_name(signal)));
}

}  // namespace penstock::pipeline
