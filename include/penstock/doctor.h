// Why is this pipeline stuck? Looks at processes and pipes twice and tells who waits for whom, and
// who is the cause. Looking changes nothing: no signal, no ptrace, no byte read, no end of a pipe
// left open. Linux only; needs C++17.
//
//     const auto diagnosis = penstock::api::diagnose({pid});
//     for (const auto& finding : diagnosis.findings) puts(finding.sentence.c_str());
//
// Threads: functions may be called from any thread, also at the same time; one object is for one
// thread at a time. There is no state outside the objects. Needs the rights of whoever is looked
// at, or root; what could not be seen is told in `unknown`, and is never "fine".
//
// The values are those of `penstock doctor --json`, schema 1, under the same names:
// docs/formats/doctor-json.md. Members may be added, so name them when you initialise one.
#pragma once

#include <penstock/error.h>
#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace penstock::api {

// One process at one time: the pid alone may be given out anew.
struct Process {
  pid_t pid = 0;
  std::uint64_t start_time = 0;  // clock ticks since boot, field 22 of /proc/PID/stat
  std::string comm;              // at most 15 bytes; any bytes, as all names here; empty: not told
  std::optional<std::vector<std::string>> cmdline;  // nothing: may not be read, or redacted
};

struct PipeEnd {
  Process process;
  std::vector<int> fds;  // of that process
};

struct Pipe {
  std::uint64_t inode = 0;
  std::optional<std::size_t> capacity;  // bytes
  std::optional<std::size_t> bytes;     // queued; a pipe may be full at a few
  std::optional<bool> writable;         // the only truth about "full"
  std::vector<PipeEnd> readers;
  std::vector<PipeEnd> writers;
  bool hidden_holder = false;  // somebody holds an end whom no table shows
};

enum class Severity { stuck, warning, info };  // only the first is an alarm
enum class Certainty { certain, likely, possible };

// Something to do about a finding. The library does none of it.
struct Remedy {
  std::string step;     // "H0" (wait) to "H5" (end all): docs/diagnosis
  std::string command;  // what to type in a shell; may be empty
  std::string risk;     // what may go wrong, in a phrase
  bool safe = false;    // nothing can be lost by it
};

struct Finding {
  std::string rule;  // "R01"
  std::string name;  // "lost wakeup"
  Severity severity = Severity::info;
  Certainty certainty = Certainty::possible;
  std::optional<Process> culprit;  // nothing: something outside, a pool or a peer
  std::vector<Process> victims;    // who waits for the culprit, the nearest first
  std::optional<Pipe> pipe;        // the one that it is about
  std::optional<double> since_s;   // for how many seconds at least
  std::string sentence;            // for people
  std::vector<std::string> evidence;
  std::vector<Remedy> remedies;  // the first to be tried first
  std::string reference;         // where the case is known from
};

// Somebody in the graph of waits: a process, or something outside.
struct Node {
  std::string id;  // the pid in decimal, or in words: "terminal /dev/pts/3"
  std::optional<Process> process;
  std::string doing;  // "asleep in write"; empty for what is outside
};

// `from` cannot go on until `to` acts.
struct Edge {
  std::string from;  // ids of nodes
  std::string to;
  pid_t thread = 0;        // which thread of `from` waits
  std::string kind;        // "pipe-full", "pipe-empty", "gate", "child", "lock", …
  bool strong = true;      // false: `from` waits for any of several things
  std::uint64_t pipe = 0;  // its inode; 0: none
  std::string sentence;
};

// Who could not be judged, and why.
struct Unknown {
  Process process;
  std::string sentence;
};

enum class Verdict {
  fine,     // nothing is stuck, as far as could be seen
  stuck,    // a finding of severity stuck is there
  unknown,  // nobody could be judged, or only who waits for one that could not
};

struct Diagnosis {
  Verdict verdict = Verdict::unknown;
  std::vector<Finding> findings;  // the gravest first
  std::vector<Node> nodes;
  std::vector<Edge> edges;
  std::vector<Unknown> unknown;
  std::vector<Process> unreadable;  // whose descriptor tables may not be read
  std::string kernel;               // release, as uname -r has it

  bool is_stuck() const { return verdict == Verdict::stuck; }
};

// What could be seen at one moment. Owns all it tells; a moved-from one may only be assigned to or
// destroyed.
class Snapshot {
 public:
  // Looks at these processes, each with its whole pipeline. One that does not exist is left out.
  // Throws Error if /proc cannot be read.
  static Snapshot take(const std::vector<pid_t>& pids);
  // Looks at everybody who holds a pipe.
  static Snapshot take_all();
  // Looks again, at the same processes and at who has come to their pipelines since. Of one that
  // was loaded it looks at the same pids on this machine. Throws Error as take() does.
  Snapshot again() const;

  Snapshot(Snapshot&&) noexcept;
  Snapshot& operator=(Snapshot&&) noexcept;
  ~Snapshot();

  // CLOCK_MONOTONIC of the machine that was looked at, in seconds.
  double taken_s() const;
  // Which processes were looked at.
  std::vector<pid_t> pids() const;

 private:
  friend struct SnapshotAccess;  // of the library itself
  struct Impl;
  explicit Snapshot(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Believes only what is in both. Take them 1 to 10 s apart: what moves slower than that looks
// stuck. Pure: asks nobody. Throws nothing but std::bad_alloc.
Diagnosis diagnose(const Snapshot& before, const Snapshot& now);

// The two looks and the diagnosis in one; blocks for `interval` (more than 0). Throws Error if
// /proc cannot be read, or if none of `pids` exists.
Diagnosis diagnose(const std::vector<pid_t>& pids,
                   std::chrono::milliseconds interval = std::chrono::seconds(2));

// The same in words, as `penstock doctor` prints it: pictures, evidence, advice. Lines are at most
// `columns` wide (20 at least) but for words that are longer. Throws nothing but std::bad_alloc.
std::string explain(const Snapshot& before, const Snapshot& now, std::size_t columns = 80);

// A pair as text, to be judged elsewhere: docs/formats/snapshot-file.md, the format of
// `penstock doctor --save`. No payload is in it; arguments are, unless redacted.
enum class Arguments { keep, redact };
std::string save(const Snapshot& before, const Snapshot& now,
                 Arguments arguments = Arguments::keep);
// Throws Error, with what is wrong and where; any bytes may come.
std::pair<Snapshot, Snapshot> load(std::string_view text);

}  // namespace penstock::api
