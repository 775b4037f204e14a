#include "pipeline/keeper.h"

#include <unistd.h>

#include <cassert>

#include "base/error.h"
#include "base/text.h"
#include "pipeline/keeper_process.h"
#include "sys/process.h"
#include "sys/spawn.h"

namespace penstock::pipeline {

Keeper::Keeper(sys::EventLoop& loop) : loop_(loop), late_news_(loop, [this] { tell_of_death(); }) {
  inherited_.note_inherited_pipes();
}

Keeper::~Keeper() {
  if (process_ == 0 || dead_ || left_behind_) return;
  try {
    send({.kind = Order::Kind::quit});
    // Its duplicates of lock and gates go with it: the next run must not find the lock held.
    while (!sys::is_dead(pidfd_.get())) {
      sys::EventLoop only_this;
      bool gone = false;
      const sys::Watch watch(only_this, pidfd_.get(), EPOLLIN, [&gone](uint32_t) { gone = true; });
      only_this.run_until([&gone] { return gone; });
    }
    sys::reap(process_);
  } catch (const Error&) {
    // It died before the word reached it, which comes to the same.
  }
}

void Keeper::start() {
  sys::become_subreaper();
  has_terminal_ = sys::has_terminal();
  auto [ours, theirs] = sys::MessageSocket::make_pair();
  auto self = sys::open_pidfd(::getpid());
  if (!self) throw Error("open a pidfd for this process");
  const pid_t process =
      sys::spawn_self({kKeeperName, std::to_string(theirs.fd()), std::to_string(self->get())},
                      {theirs.fd(), self->get()});
  // If anything fails from here on, that one has nothing to hold, and ends with us.
  auto pidfd = sys::open_pidfd(process);
  assert(pidfd);  // it is our child, and not reaped
  pidfd_ = std::move(*pidfd);
  socket_ = std::move(ours);
  socket_watch_.emplace(loop_, socket_->fd(), EPOLLIN, [this](uint32_t) { take_reports(); });
  death_watch_.emplace(loop_, pidfd_.get(), EPOLLIN, [this](uint32_t) { died(); });
  process_ = process;
  if (!held_.empty()) send({.kind = Order::Kind::hold}, held_);
}

void Keeper::hold(int fd) {
  held_.push_back(fd);
  if (process_ != 0) send({.kind = Order::Kind::hold}, {fd});
}

PipelineId Keeper::open(Listener listener) {
  if (process_ == 0) start();
  const PipelineId id = ++last_id_;
  Pipeline& pipeline = pipelines_[id];
  pipeline.listener = std::move(listener);
  pipeline.tree = inherited_;
  if (dead_) late_news_.set(std::chrono::nanoseconds(0));
  return id;
}

void Keeper::send(const Order& order, const std::vector<int>& fds) {
  if (dead_) return;
  try {
    socket_->send(order.encode(), fds);
  } catch (const Error& error) {
    // Its end of the socket is closed: it is dying, and its pidfd will bring that to everybody's
    // notice.
    if (!error.is(EPIPE) && !error.is(ECONNRESET)) throw;
  }
}

void Keeper::spawn(PipelineId pipeline, const Spawn& spawn) {
  Order order{.kind = Order::Kind::spawn, .pipeline = pipeline};
  order.stage = spawn.stage;
  order.spec = spawn.spec;
  order.env = spawn.env;
  order.close_other_fds = spawn.close_other_fds;
  order.count_io = spawn.count_io;
  order.cgroup = spawn.cgroup;
  order.report_start = spawn.report_start;
  order.gate_holds = spawn.gate_holds;
  std::vector<int> fds;
  Pipeline& own = pipelines_.at(pipeline);
  own.cgroup = spawn.cgroup;
  own.gate_holds = own.gate_holds || spawn.gate_holds;
  for (const auto& [role, fd] : spawn.fds) {
    order.fd_roles.push_back(role);
    fds.push_back(fd);
    own.tree.note_descriptor(role, fd);
  }
  send(order, fds);
}

void Keeper::let_go(PipelineId pipeline) {
  send({.kind = Order::Kind::let_go, .pipeline = pipeline});
}

void Keeper::end_tree(PipelineId pipeline, const End& end) {
  if (!dead_) {
    send({.kind = Order::Kind::end_tree,
          .pipeline = pipeline,
          .mode = end.mode,
          .grace = end.grace,
          .kill_with = end.kill_with});
    return;
  }
  Pipeline& own = pipelines_.at(pipeline);
  if (!has_terminal_) {
    own.tree.session = process_;
    own.tree.whole_session = true;
  }
  TreeEnd::Hooks hooks;
  hooks.ended = [this, pipeline] {
    deliver({.kind = Report::Kind::tree_ended, .pipeline = pipeline});
  };
  hooks.stuck = [this, pipeline](pid_t pid, const std::string& sentence) {
    deliver({.kind = Report::Kind::tree_stuck, .pipeline = pipeline, .pid = pid, .text = sentence});
  };
  own.own_end = std::make_unique<TreeEnd>(loop_,
                                          TreeEnd::Plan{.tree = own.tree,
                                                        .root = ::getpid(),
                                                        .mode = end.mode,
                                                        .grace = end.grace,
                                                        .cgroup = own.cgroup,
                                                        .gate = end.gate,
                                                        .gate_holds = own.gate_holds},
                                          std::move(hooks));
}

void Keeper::forget(PipelineId pipeline) {
  if (pipelines_.erase(pipeline) == 0) return;
  try {
    send({.kind = Order::Kind::forget, .pipeline = pipeline});
  } catch (const Error&) {
    // Called by destructors. When it is told to quit, the keeper forgets all that is left.
  }
}

void Keeper::take_reports() {
  const auto message = socket_->receive();
  if (!message) {
    socket_watch_.reset();  // its pidfd tells the rest
    return;
  }
  deliver(Report::decode(message->text));
}

void Keeper::deliver(const Report& report) {
  const auto found = pipelines_.find(report.pipeline);
  if (found == pipelines_.end()) return;
  Pipeline& pipeline = found->second;
  if (report.kind == Report::Kind::spawned) {
    pipeline.tree.stages.push_back({.pid = report.pid, .start_time = report.start_time});
    if (!has_terminal_) {
      pipeline.tree.session = process_;
      if (pipeline.tree.group == 0) pipeline.tree.group = report.pid;
    }
  }
  const Listener listener = pipeline.listener;  // may forget the pipeline
  listener(report);
}

void Keeper::died() {
  dead_ = true;
  death_watch_.reset();
  // What it had still said is heard first: a status that was on its way is not lost.
  while (socket_watch_ && sys::is_dead(pidfd_.get())) {
    const auto message = socket_->receive();
    if (!message) break;
    deliver(Report::decode(message->text));
  }
  socket_watch_.reset();
  sys::reap(process_);
  tell_of_death();
}

void Keeper::tell_of_death() {
  std::vector<PipelineId> ids;
  ids.reserve(pipelines_.size());
  for (auto& [id, pipeline] : pipelines_) {
    if (!std::exchange(pipeline.knows_of_death, true)) ids.push_back(id);
  }
  for (const PipelineId id : ids) {
    deliver({.kind = Report::Kind::keeper_died, .pipeline = id});
  }
}

}  // namespace penstock::pipeline
