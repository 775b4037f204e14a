// What a user may say about how a pipeline runs. Defaults are those of the command line.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/stall_policy.h"

namespace penstock::pipeline {

// When the command may see the last bytes of its input and end-of-file.
enum class GateStrength {
  hold,  // both only after the verdict
  eof,   // end-of-file only after the verdict; no copies
  off,   // as in a shell
};

enum class StdinKind { pipe, file };

struct Options {
  // By default hold with a decoder or a seal, and eof without. With a seal, off is as eof.
  std::optional<GateStrength> gate;
  bool verify_before = false;
  std::string spool_dir;  // empty: the directory of the payload
  // Bytes; a payload that has more fails while the gate is shut. With it, off is as eof.
  std::optional<uint64_t> max_payload;
  StdinKind stdin_kind = StdinKind::pipe;
  std::vector<int> decoder_ok;  // exit statuses of decoder stages that count as success, besides 0
  bool close_fds = false;
  bool cgroup = false;
  std::optional<size_t> pipe_size;  // of every pipe; by default the command's is as large as may be
  std::chrono::milliseconds kill_grace{0};
  std::vector<std::string> kill_with;
  bool capture_stderr = false;
  bool close_on_early_end = false;
  StallPolicy stall;
  std::optional<std::chrono::milliseconds> timeout;
  bool count_io = false;  // for reports on each stage
  // After the command has failed the stages before it get a moment to end by themselves: the first
  // failure in the order of the pipeline is the one to name.
  bool asks_all_stages = false;
};

}  // namespace penstock::pipeline
