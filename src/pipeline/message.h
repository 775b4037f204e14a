// What processor and keeper say to each other. Both are the same binary, so this is no format: it
// lives as long as one run does.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/stage.h"

namespace penstock::pipeline {

// Numbers a pipeline within its run, and a stage within its pipeline.
using PipelineId = uint64_t;
using StageId = uint32_t;

// How a pipeline's processes are ended.
enum class EndMode : uint8_t {
  gate_shut,  // STOP to all until no new one is seen, then KILL: nobody can act on a cut stream
  gate_open,  // TERM, a grace time, KILL
};

// Processor to keeper.
struct Order {
  enum class Kind : uint8_t {
    hold,      // fds: keep these until the end (the queue's lock)
    spawn,     // start a stage; fds as `fds` says
    let_go,    // close this pipeline's gate
    end_tree,  // end all its processes; answered by tree_ended
    forget,    // it is over: nobody will join it any more
    quit,      // close everything and exit
  };
  Kind kind = Kind::quit;
  PipelineId pipeline = 0;

  // spawn
  StageId stage = 0;
  StageSpec spec;
  std::vector<std::string> env;
  // Which of the child's descriptors the message's descriptors become, in order (0, 1, 2); -1: the
  // gate that goes with the command, -2: the memfd that describes it, -3: the cgroup.procs to
  // enter.
  std::vector<int> fd_roles;
  bool close_other_fds = false;
  bool count_io = false;     // report bytes read and written
  bool report_start = true;  // no: a lone command without a gate; nothing is said of its start, and
                             // it is forgotten when it has exited with 0
  bool gate_holds = false;   // of a gate: the end of the payload is kept back, not only end-of-file

  // end_tree
  EndMode mode = EndMode::gate_shut;
  std::chrono::milliseconds grace{0};  // after TERM, before anything harder
  std::vector<std::string>
      kill_with;       // a command to which "-KILL PID" is appended for those we may not kill
  std::string cgroup;  // the job's own cgroup directory, or empty

  std::string encode() const;
  static Order decode(std::string_view text);
};

inline constexpr int kGateRole = -1;
inline constexpr int kGateTextRole = -2;
inline constexpr int kCgroupRole = -3;

// Keeper to processor.
struct Report {
  enum class Kind : uint8_t {
    spawned,
    spawn_failed,
    exited,
    tree_ended,
    tree_stuck,
    keeper_died,  // never sent: made by the processor's side
  };
  Kind kind = Kind::spawned;
  PipelineId pipeline = 0;
  StageId stage = 0;
  pid_t pid = 0;            // spawned, tree_stuck
  uint64_t start_time = 0;  // spawned
  int error = 0;            // spawn_failed: errno
  std::string text;         // spawn_failed: the step; tree_stuck: a sentence
  int how = 0;              // exited: si_code and si_status
  int value = 0;
  bool is_counted = false;  // exited: the two below are told
  uint64_t bytes_read = 0;
  uint64_t bytes_written = 0;

  std::string encode() const;
  static Report decode(std::string_view text);
};

}  // namespace penstock::pipeline
