// The processor's side of the keeper: starts it with the first child there is to have, gives it
// orders, hears reports, and ends the trees itself should the keeper die first.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/message.h"
#include "pipeline/tree_end.h"
#include "sys/event_loop.h"
#include "sys/message_socket.h"
#include "sys/unique_fd.h"

namespace penstock::pipeline {

class Keeper {
 public:
  explicit Keeper(sys::EventLoop& loop);
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;
  // Waits for the keeper's end where nothing is left to hold; see shut_down().
  ~Keeper();

  // Held by the keeper, too, once there is one, until the end of the run: the queue's lock.
  // Borrowed here.
  void hold(int fd);

  using Listener = std::function<void(const Report&)>;
  // A new pipeline; its reports go to `listener` until it is forgotten. Starts the keeper if there
  // is none.
  PipelineId open(Listener listener);

  struct Spawn {
    StageId stage = 0;
    StageSpec spec;
    std::vector<std::string> env;
    std::vector<std::pair<int, int>> fds;  // {role, our descriptor}; see Order::fd_roles
    bool close_other_fds = false;
    bool count_io = false;
    std::string cgroup;
    bool report_start = true;  // see Order
    bool gate_holds = false;
  };
  // Answered by spawned or spawn_failed. The descriptors may be closed once this returns.
  void spawn(PipelineId pipeline, Spawn spawn);
  void let_go(PipelineId pipeline);
  struct End {
    EndMode mode = EndMode::gate_shut;
    std::chrono::milliseconds grace{0};
    std::vector<std::string> kill_with;
    int gate = -1;  // ours; used only if the keeper is dead
  };
  // Answered by tree_ended, sooner or later, and before that perhaps by tree_stuck.
  void end_tree(PipelineId pipeline, const End& end);
  // The pipeline is over, and its listener is not called again.
  void forget(PipelineId pipeline);

  bool is_running() const { return process_ != 0; }
  bool is_dead() const { return dead_; }

  // Whether the keeper has to stay and hold what it holds, as a tree could not be ended.
  void leave_behind() { left_behind_ = true; }
  bool is_left_behind() const { return left_behind_; }

 private:
  struct Pipeline {
    Listener listener;
    JobTree tree;
    std::string cgroup;
    bool gate_holds = false;
    bool lone = false;    // see Order::report_start
    bool ending = false;  // the keeper was told to end it
    bool over = false;    // a lone command that did well: the keeper has forgotten it by itself
    std::unique_ptr<TreeEnd> own_end;
    std::optional<End> own_end_again;  // to be begun anew, as that failed
    bool knows_of_death = false;
  };

  void start();
  void wait_for_its_end();
  void note_stuck(const Report& report);
  void end_tree_here(PipelineId pipeline, const End& end);
  void try_again();
  void send(const Order& order, const std::vector<int>& fds = {});
  void take_reports();
  void deliver(const Report& report);
  void died();
  void tell_of_death();

  sys::EventLoop& loop_;
  // What every job's tree starts from. Noted before there are other threads: their pipes are below
  // 10, too, for the moment until they are moved.
  JobTree inherited_;
  std::vector<int> held_;
  pid_t process_ = 0;
  bool dead_ = false;
  bool left_behind_ = false;
  bool has_terminal_ = false;
  sys::UniqueFd pidfd_;
  std::optional<sys::MessageSocket> socket_;
  std::optional<sys::Watch> socket_watch_;
  std::optional<sys::Watch> death_watch_;
  PipelineId last_id_ = 0;
  std::map<PipelineId, Pipeline> pipelines_;
  std::set<PipelineId> stuck_;  // of the keeper's: whose trees it cannot end
  sys::Timer late_news_;        // for pipelines that are opened when it is dead
  sys::Timer retry_timer_;
};

}  // namespace penstock::pipeline
