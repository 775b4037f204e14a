// The gate: the write end of the pipe into the command, held by processor and keeper. While it is
// shut the command sees no end-of-file. Beside it lies a memfd that tells any doctor who waits for
// whom.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/engine.h"
#include "sys/pipe.h"
#include "sys/unique_fd.h"

namespace penstock::pipeline {

// What the memfd says; see docs/formats/gate-memfd.md.
struct GateText {
  std::string queue;
  std::string job;
  std::string_view state = "shut";
  ino_t upstream = 0;  // the pipe that our own last link reads from; 0: none
  struct Stage {
    std::string name;
    pid_t pid = 0;
    uint64_t start_time = 0;
  };
  std::vector<Stage> stages;

  std::string encode(ino_t gate_pipe) const;
};

class Gate {
 public:
  // Around the pipe whose write end this is; `size` is what the budget gets back at the end.
  Gate(Engine& engine, sys::UniqueFd write_end, size_t size);
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  ~Gate();

  int fd() const { return write_.get(); }
  int text_fd() const { return text_.get(); }
  bool is_open() const { return !write_; }
  void describe(const GateText& text);
  // Our half of letting go; the keeper's comes first.
  void close();

 private:
  Engine& engine_;
  sys::UniqueFd write_;
  sys::UniqueFd text_;
  ino_t inode_ = 0;
  size_t size_ = 0;
};

}  // namespace penstock::pipeline
