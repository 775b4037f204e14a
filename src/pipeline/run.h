// A live pipeline with its command: feeds it, holds the gate until the verdict is in, and ends
// everything if it is bad.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "packet/seal.h"
#include "pipeline/engine.h"
#include "pipeline/gate.h"
#include "pipeline/options.h"
#include "pipeline/pump.h"
#include "pipeline/spooled_payload.h"
#include "pipeline/stages.h"
#include "pipeline/upstream.h"

namespace penstock::pipeline {

// Where the command's input comes from.
struct NoPayload {};       // /dev/null
struct InheritedStdin {};  // our own stdin, untouched
struct FilePayload {       // `size` bytes from `offset` on; fewer is a failure
  sys::UniqueFd fd;
  uint64_t offset = 0;
  uint64_t size = 0;
  std::string name;
  // All of them, if they are at hand already; `fd` is only there if it is needed then.
  std::optional<std::vector<uint8_t>> bytes;
};
struct StreamPayload {  // whatever is left in a descriptor that is not ours alone (borrowed)
  int fd = -1;
  std::string name;
};
using Payload =
    std::variant<NoPayload, InheritedStdin, FilePayload, StreamPayload, std::unique_ptr<Upstream>>;

struct Command {
  StageSpec spec;
  std::vector<std::string> env;
  // Other descriptors than stdin: {role, our descriptor}; borrowed until the command has been
  // started.
  std::vector<std::pair<int, int>> fds;
};

// How it ended.
struct Outcome {
  enum class Kind {
    success,
    command_failed,
    upstream_failed,  // a decoder's status, or a writer it left behind
    payload_failed,   // a file that shrank, a read error, no space to verify
    seal_broken,      // the payload is not the one that was sealed
    too_large,        // the payload has more bytes than it may
    means_missing,    // no fault of the job: no library to check its seal, no room to verify it
    timed_out,
    stalled,  // the command exited 0, but a child of its keeps its input and takes nothing; or
              // no byte moved for --kill-after
    stalled_try_again,  // the same under --on-stall retry
    interrupted,
    cannot_start_command,  // error_number says why
    cannot_start_decoder,
    keeper_died,
  };
  Kind kind = Kind::success;
  std::string sentence;  // empty on success
  int error_number = 0;
  std::optional<sys::ExitStatus> command;  // if it ended by itself
  bool may_have_been_applied = false;      // the command exited 0, and then something failed
  std::optional<std::string>
      stuck;                   // who cannot be ended; the keeper stays and holds gate and lock
  uint64_t bytes = 0;          // that went into the command, as far as we fed it
  std::string decoder_words;   // the last line of the decoder's stderr,
  std::string decoder_stderr;  // and its last 4 KiB
  std::string command_words;   // and of the command's, under --capture-stderr: its last line,
  std::string command_stderr;  // and its last 4 KiB
  std::vector<Stages::Stage> stages;  // the command last
  std::vector<std::string> stalls;    // what the stall watch saw, in sentences
};

class Run {
 public:
  struct Config {
    Payload payload;
    Command command;
    // What the payload is checked against. Of a NoPayload or InheritedStdin there is none.
    std::optional<packet::Seal> seal;
    // An exit status of the command that is as good as 0: the rest of its input is judged then,
    // too.
    std::optional<int> command_ok;
    std::string queue;  // for the gate's description
    std::string job;
    std::string spool_dir;  // for --verify before
    uint64_t spool_at_least = 0;
  };

  // Starts at once; is_done() changes in a later turn of the loop. Borrows engine and options.
  Run(Engine& engine, const Options& options, Config config);
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;
  // If it is not done (an exception is on its way up) our end of the gate stays open until this
  // process ends; the keeper ends the tree before it lets its own go.
  ~Run();

  // Ends everything because we were told to end.
  void interrupt(int signal);
  bool is_done() const { return done_; }
  const Outcome& outcome() const { return outcome_; }
  uint64_t bytes_fed() const { return pump_ ? pump_->bytes_out() : fed_at_once_; }

 private:
  enum class Phase { verifying, running, ending };

  // The story, in order.
  void verify_first();
  void verified();
  void start_command();
  void evaluate();
  void open_gate();
  void succeed();
  void fail(Outcome::Kind kind, std::string sentence);
  void look_whether_ended();
  void finish();

  // The ways to feed it (run_feed.cc).
  void feed_command();
  void feed_nothing();
  void feed_at_once(FilePayload& file);
  void feed_file(FilePayload& file);
  // A descriptor, if it has none.
  static void give_file(FilePayload& file);
  void feed_by_pump(Pump::Config config);
  void feed_directly();
  sys::Pipe make_command_pipe(size_t& size);

  // What evaluate() asks.
  struct PayloadFailure {
    Outcome::Kind kind;
    std::string sentence;
  };
  void fail_by(const Error& error);
  bool waits_for_others(bool stages_run_on);
  std::optional<PayloadFailure> payload_failure() const;
  void check_what_is_known() const;
  LastReader last_reader() const;
  Verdict upstream_verdict() const;
  bool source_at_end() const;
  bool has_stopped_reading() const;
  bool writer_left_behind() const;
  const Stages::Stage& command() const { return processes_->at(command_index_); }
  bool command_succeeded() const;  // it is over, and well
  GateStrength strength() const;
  size_t held_bytes() const { return strength() == GateStrength::hold ? kHeldBytes : 0; }
  void watch_left_behind();
  void watch_stall();
  uint64_t bytes_moved() const;
  void describe_gate();

  // For the stall watch.
  void watch_for_stalls();
  bool streams() const;
  uint64_t bytes_passed() const;
  uint64_t bytes_counted() const;
  std::vector<pid_t> processes_to_ask_about() const;
  std::string who_still_runs() const;
  std::vector<Stages::Stage> all_stages() const;

  Engine& engine_;
  const Options& options_;
  Config config_;
  Phase phase_ = Phase::running;
  bool done_ = false;
  Outcome outcome_;

  std::unique_ptr<Upstream> upstream_;
  std::vector<Stages::Stage> verified_stages_;  // of an upstream that is over and proved
  std::unique_ptr<Stages> own_processes_;
  Stages* processes_ = nullptr;
  size_t command_index_ = 0;
  bool command_started_ = false;
  std::optional<StderrTap> command_tap_;

  std::unique_ptr<SpooledPayload> spooled_;
  sys::UniqueFd source_;         // our read end, or the file that is fed
  sys::UniqueFd command_stdin_;  // until the command has it
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<Pump> pump_;
  uint64_t fed_at_once_ = 0;
  bool verdict_given_ = false;
  uint64_t moved_at_last_look_ = 0;

  sys::Timer first_turn_;
  sys::Timer timeout_timer_;
  sys::Timer failure_timer_;
  sys::Timer left_behind_timer_;
  sys::Timer stall_timer_;
  bool failure_settled_ = false;
  bool left_behind_checked_ = false;
  bool told_that_we_stay_ = false;
  bool described_ = false;  // with all pids
  bool exposed_ = false;    // the pipe into the command is not as large as may be
  std::optional<StallWatch::Handle> stall_handle_;
};

}  // namespace penstock::pipeline
