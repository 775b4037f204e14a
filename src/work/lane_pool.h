// The processes of lanes: one for each turn of a queue, forked from this one.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sys/event_loop.h"
#include "sys/exit_status.h"
#include "sys/unique_fd.h"
#include "work/interruption.h"
#include "work/lane_counts.h"
#include "work/line_prefixer.h"

namespace penstock::work {

struct LaneSettings {
  uint64_t lanes = 1;          // queues at work at the same time
  bool prefix_output = false;  // each line of output begins with its queue
  // How long a queue keeps its lane while others wait for one.
  std::chrono::milliseconds slice{20000};
};

// One turn of a queue in its lane.
struct LaneTurn {
  std::string queue;
  uint64_t done = 0;  // jobs that earlier turns of this queue have attempted
  // Of a queue that is followed: what its earlier turns have said, and whether this is only another
  // look at one that could not be drained.
  Told* told = nullptr;
  bool is_second_look = false;
  LaneCounts* counts = nullptr;
};

class LanePool {
 public:
  // Makes a turn, in its own process, whose exit status it returns.
  using Drain = std::function<int(const LaneTurn&)>;

  struct Ended {
    uint64_t queue = 0;
    sys::ExitStatus status = sys::ExitStatus::exited(0);
    // By a signal, though none has come to us: it was told.
    bool was_killed = false;
    const LaneCounts& counts;
  };

  // Borrows all of them. Signals are passed on to all lanes. `ended` may begin another turn.
  LanePool(sys::EventLoop& loop, Interruption& interruption, const LaneSettings& settings,
           const Drain& drain, std::function<void(const Ended&)> ended);

  size_t free() const;
  bool is_idle() const { return free() == lanes_.size(); }

  // In a free lane; `queue` is what the caller calls it. If this process dies, the turn is ended by
  // SIGTERM. Must be called from a process with one thread. Throws Error if no process can be made.
  void begin(uint64_t queue, const LaneTurn& turn);
  // Whoever has had his slice makes room.
  void tell_that_others_wait(bool others_wait);
  // Once all have ended: what their commands have printed.
  void finish_output();

  // For a display: the queues at work, and the bytes that all turns have fed.
  std::string at_work() const;
  uint64_t bytes();

 private:
  struct Lane {
    uint64_t queue = 0;
    std::string dir;
    pid_t pid = 0;  // 0: free
    sys::UniqueFd pidfd;
    std::optional<sys::Watch> end;
  };
  struct Pipe {  // both ends close-on-exec
    sys::UniqueFd read;
    sys::UniqueFd write;
  };
  class SharedCounts {  // shared with the lanes' processes; gone with the last of them
   public:
    explicit SharedCounts(size_t size);
    ~SharedCounts();
    SharedCounts(const SharedCounts&) = delete;
    SharedCounts& operator=(const SharedCounts&) = delete;
    LaneCounts& operator[](size_t at);

   private:
    size_t size_;
    LaneCounts* counts_ = nullptr;
  };

  static Pipe make_pipe();
  [[noreturn]] void be_lane(pid_t parent, const sys::UniqueFd& out, const sys::UniqueFd& err,
                            const LaneTurn& turn) const;
  void read_lines(sys::UniqueFd from, int to, const std::string& dir);
  void end_turn(size_t at);
  void pass_on(int signal) const;

  sys::EventLoop& loop_;
  Interruption& interruption_;
  const LaneSettings& settings_;
  const Drain& drain_;
  std::function<void(const Ended&)> ended_;
  SharedCounts counts_;
  uint64_t bytes_of_ended_ = 0;
  std::vector<Lane> lanes_;
  std::vector<std::unique_ptr<LinePrefixer>> outputs_;
};

}  // namespace penstock::work
