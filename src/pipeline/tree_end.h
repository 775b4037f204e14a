// Ends a job's tree and says when all of it is dead. Used by the keeper, and by the processor if
// the keeper has died. Whoever uses it may be the last that holds the gate, so a want of
// descriptors or memory never ends it: what could not be done is tried again, and until then
// nothing is over.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "pipeline/job_tree.h"
#include "pipeline/message.h"
#include "sys/event_loop.h"
#include "sys/unique_fd.h"

namespace penstock::pipeline {

class TreeEnd {
 public:
  struct Plan {
    JobTree tree;
    pid_t root = 0;  // whose descendants are looked at
    EndMode mode = EndMode::gate_shut;
    std::chrono::milliseconds grace{0};
    std::string cgroup;       // the job's own, or empty
    int gate = -1;            // borrowed; the tree is not over before nobody reads it. -1: none
    bool gate_holds = false;  // the last bytes, too, were kept back from whoever reads
  };
  struct Hooks {
    std::function<void()> ended;
    // Once, if somebody cannot be ended by us; we go on waiting for him.
    std::function<void(pid_t pid, const std::string& sentence)> stuck;
    // Tried on processes that we may not kill, all in one call; null if there is nothing to try.
    std::function<void(const std::vector<pid_t>& pids)> kill_foreign;
    // JobTree::others, by now; null if there are none.
    std::function<std::set<pid_t>()> others;
  };

  // Throws Error, with the known stages stopped if they could be, if it cannot even have timers.
  TreeEnd(sys::EventLoop& loop, Plan plan, Hooks hooks);
  TreeEnd(const TreeEnd&) = delete;
  TreeEnd& operator=(const TreeEnd&) = delete;

 private:
  struct Member {
    procfs::ProcessStat process;
    // While it lives; neither if descriptors are short. Then it is opened for each signal, and the
    // check timer finds out that it is dead.
    sys::UniqueFd pidfd;
    std::unique_ptr<sys::Watch> watch;
    bool dead = false;
    bool killed = false;   // it was sent SIGKILL, or refused it
    bool refused = false;  // a signal of ours came back with EPERM
  };

  void ask_nicely();
  void strike();
  // Adds members that are new and returns them. Sets missed_ if it could not look.
  std::vector<Member*> look_again();
  bool watch(Member& member);
  void do_without_watches();
  // Sets missed_ if the signal could not be sent for want of a descriptor.
  void send(Member& member, int signal);
  void stop_the_known() const;
  bool stop_until_none_is_new();
  void finish_off();
  void kill_all();
  bool has_foreign() const;
  void kill_foreign();
  void find_the_dead();
  void look_whether_over();
  void tell_who_is_left();
  bool gate_is_read() const;

  sys::EventLoop& loop_;
  Plan plan_;
  Hooks hooks_;
  std::map<pid_t, Member> members_;
  bool has_watches_ = true;
  std::vector<pid_t> asked_to_kill_;  // of the processes of others
  bool missed_ = false;  // since it was last cleared: somebody was not looked at, or not reached
  bool struck_ = false;
  bool over_ = false;
  bool told_ = false;
  sys::Timer grace_timer_;
  sys::Timer
      check_timer_;  // the one thing no descriptor tells: that a reader we cannot see has gone
  std::chrono::steady_clock::time_point struck_at_;
};

}  // namespace penstock::pipeline
