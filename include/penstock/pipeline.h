// Runs a pipeline whose last command gets the last bytes of its input, and end-of-file, only after
// every stage before it has exited with success. Linux only; needs C++17.
//
//     int main(int argc, char** argv) {
//       const auto helper = penstock::api::Helper::in_this_program(argc, argv);  // first of all
//       const auto result = penstock::api::run(
//           helper, {{"gpg", "-q", "-d", "x.gpg"}, {"zstdcat"}, {"zfs", "receive", "-u", "t/x"}});
//       if (!result.ok) fprintf(stderr, "%s\n", result.sentence.c_str());
//     }
//
// What happens in the calling process: a child is started, and a socket to it is kept. Nothing
// else. The engine has signals to ignore and to catch, threads, and orphans to adopt, so it runs in
// that child (the helper), which starts a second process (the keeper) that starts the stages. The
// caller's signal dispositions and masks, its working directory and its place among subreapers are
// not touched; no thread is started in it. Nothing is written to its stderr: what there is to tell
// is in the result.
//
// The promise outlives all of them: if the caller dies, or the helper, or the keeper, the others
// end the stages before the gate goes.
//
// Of the caller's descriptors the stages get three, see RunOptions; all others stay here. Ignored
// SIGHUP, SIGINT and SIGQUIT are inherited, all else is at its default in the stages. The helper
// stays in the caller's process group: a Ctrl-C at the terminal ends the run.
//
// A program that waits for any child (waitpid(-1)) may reap the helper; so does the kernel where
// SIGCHLD is ignored. Both are harmless; without the helper's status one sentence is vaguer.
//
// Threads: may be used from any thread, several pipelines at the same time as well; one object is
// for one thread at a time, but for Pipeline::cancel().
#pragma once

#include <penstock/error.h>
#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace penstock::api {

// The program that is executed as helper and as keeper: they are processes of their own, and a
// library has no program of its own.
class Helper {
 public:
  // The calling program itself, executed anew through /proc/self/exe. To be called first of all in
  // main(), before threads, files and output: in a helper it does not return but works and exits,
  // and whatever main() did before would be done in it, too. (Constructors of global objects are
  // run in helpers; what they start or print is your program's to think of.) Needs nothing
  // installed, and caller and helper are always of one version.
  static Helper in_this_program(int argc, char** argv);
  // An installed penstock, "/usr/bin/penstock", for code that is not its program's main(): a
  // plug-in, a module of an interpreter. Not searched in PATH. Must be of this library's version;
  // run() throws Error if it is not.
  static Helper program(std::string path);

  const std::string& path() const { return path_; }

 private:
  explicit Helper(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// Program and arguments; at least the first. Searched in the PATH of RunOptions::environment unless
// it has a '/'. No shell has a part in it.
using Command = std::vector<std::string>;

// What the last command is kept from until all before it have succeeded.
enum class Gate {
  hold,  // the last 64 KiB of its input, and end-of-file: also for those that act before the end
  eof,   // end-of-file; no copies
  off,   // nothing, as in a shell
};

// What to do when no byte moves for `stall_after`.
enum class OnStall {
  report,  // say so in Result::stalls
  heal,    // and wake a writer that the kernel forgot to (R01): no signal, no byte touched
  kill,    // and, after `kill_after`, end all: the run has failed
};

struct RunOptions {
  Gate gate = Gate::hold;
  // Run all stages but the last into an unnamed file first, and start the last one only if they
  // succeeded: for one that acts on a prefix of its input.
  bool verify_before = false;
  std::string spool_dir = ".";  // of that file
  // Bytes, of the pipe into the last command: 0 is as large as the system allows. Rounded up by the
  // kernel; more than it allows is cut.
  std::size_t pipe_size = 0;
  // Statuses of stages before the last that count as success besides 0, 1 to 255.
  std::vector<int> also_ok;
  // From the start of the last command; 0: for ever. Then all are ended.
  std::chrono::milliseconds timeout{0};
  // Between SIGTERM and SIGKILL when all are ended; 0: SIGKILL at once, as what a SIGTERM makes of
  // a shell's own pipeline looks like an end of input to the rest of it.
  std::chrono::milliseconds kill_grace{0};
  std::chrono::milliseconds stall_after{30'000};  // 0: never look
  OnStall on_stall = OnStall::heal;
  std::chrono::milliseconds kill_after{600'000};  // without a byte; only for OnStall::kill
  // Borrowed until run() returns, or Pipeline's constructor: the first stage's stdin, the last
  // one's stdout, stderr of all.
  int stdin_fd = 0;
  int stdout_fd = 1;
  int stderr_fd = 2;
  // "NAME=value"; nothing: the caller's, as it is then.
  std::optional<std::vector<std::string>> environment;
};

// One stage, in the order of the pipeline.
struct StageResult {
  Command command;
  pid_t pid = 0;                 // 0: not started
  std::optional<int> exit_code;  // 0 to 255, if it exited
  std::optional<int> signal;     // if one killed it
  int start_error = 0;           // errno, if it could not be started
  bool is_counted = false;       // whether the kernel told the two below
  std::uint64_t bytes_read = 0;  // through its read calls, whatever from
  std::uint64_t bytes_written = 0;
  std::chrono::milliseconds took{0};
};

enum class Ending {
  success,
  command_failed,   // the last command's status
  upstream_failed,  // that of a stage before, or a writer that it left behind
  payload_failed,   // reading, relaying or storing the bytes
  cannot_start,     // a stage; see StageResult::start_error
  timed_out,
  stalled,
  interrupted,  // a signal to the helper (Ctrl-C)
  cancelled,    // Pipeline::cancel()
  lost,         // helper or keeper was killed; the stages were ended with the gate shut
};

struct Result {
  bool ok = false;
  Ending ending = Ending::lost;
  std::string sentence;  // empty on success; "gpg exited 2"
  // The last command had exited 0, and then something else failed.
  bool may_have_been_applied = false;
  // Who could not be ended, and why: "zfs 4711 belongs to root …". Their input stays shut, and a
  // process of ours stays for that.
  std::optional<std::string> stuck;
  std::vector<std::string> stalls;  // what was seen while no byte moved, in sentences
  std::vector<StageResult> stages;  // empty if lost
};

// A pipeline at work.
class Pipeline {
 public:
  // Starts it and returns at once. `stages`: at least one, the last is behind the gate. Throws
  // Error for stages or options that cannot be, and if the helper cannot be started.
  Pipeline(const Helper& helper, const std::vector<Command>& stages,
           const RunOptions& options = {});
  Pipeline(Pipeline&&) noexcept;
  Pipeline& operator=(Pipeline&&) = delete;
  // Cancels and waits, unless wait() has returned.
  ~Pipeline();

  // Readable when wait() will not block for long. Owned by this object; for poll(2) only.
  int descriptor() const;
  // Has all stages ended, with the gate shut if it still is; wait() then tells how it ended, which
  // may be success all the same. May be called from any thread and in a signal handler, any number
  // of times, before wait() returns.
  void cancel() noexcept;
  // Blocks until all is over and no process of ours is left (but see Result::stuck). Once. Throws
  // Error if the program that was to help is none, or of another version.
  Result wait();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Starts and waits.
Result run(const Helper& helper, const std::vector<Command>& stages,
           const RunOptions& options = {});

}  // namespace penstock::api
