// The processes of one pipeline: started by the keeper, their ends awaited, their tree ended.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/cgroup.h"
#include "pipeline/engine.h"
#include "pipeline/options.h"
#include "pipeline/stage.h"
#include "sys/exit_status.h"

namespace penstock::pipeline {

class Stages {
 public:
  using Clock = std::chrono::steady_clock;

  struct Stage {
    StageSpec spec;
    pid_t pid = 0;
    uint64_t start_time = 0;
    std::optional<sys::ExitStatus> status;
    int spawn_error = 0;  // errno: it could not be started
    std::string spawn_step;
    Clock::time_point started;
    Clock::time_point ended;
    bool is_counted = false;  // the two below are told
    uint64_t bytes_read = 0;
    uint64_t bytes_written = 0;

    bool is_over() const { return status.has_value() || spawn_error != 0; }
    std::string name() const;
  };

  // `changed` is called after each piece of news. Borrows engine and options.
  Stages(Engine& engine, const Options& options, std::function<void()> changed);
  Stages(const Stages&) = delete;
  Stages& operator=(const Stages&) = delete;
  ~Stages();

  void set_listener(std::function<void()> changed) { changed_ = std::move(changed); }

  // Orders a stage; `fds` as in Keeper::Spawn. `gate` says whether one goes with it, and whether
  // that keeps the payload's end back. Of a lone command without one nobody needs the pid: it stays
  // 0, and a message for each job is spared. Returns its index.
  enum class GateKind { none, eof, hold };
  size_t start(StageSpec spec, std::vector<std::string> env,
               const std::vector<std::pair<int, int>>& fds, GateKind gate = GateKind::eof);
  size_t count() const { return stages_.size(); }
  const Stage& at(size_t index) const { return stages_.at(index); }
  bool all_over(size_t first, size_t last) const;

  void let_go() { engine_.keeper.let_go(id_); }
  // `gate`: our own end, in case the keeper is dead.
  void end_tree(EndMode mode, std::chrono::milliseconds grace, int gate);
  bool is_ending() const { return ending_; }
  bool tree_ended() const { return tree_ended_; }
  // Why the tree cannot be ended, if so.
  const std::optional<std::string>& stuck() const { return stuck_; }
  bool keeper_died() const { return keeper_died_; }

 private:
  void take(const Report& report);

  Engine& engine_;
  const Options& options_;
  std::function<void()> changed_;
  std::unique_ptr<Cgroup> cgroup_;
  std::vector<Stage> stages_;
  bool ending_ = false;
  bool ending_alone_ = false;  // by this process, as the keeper is dead
  bool tree_ended_ = false;
  bool keeper_died_ = false;
  std::optional<std::string> stuck_;
  PipelineId id_;
};

}  // namespace penstock::pipeline
