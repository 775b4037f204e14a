#include "pipeline/keeper.h"

#include <unistd.h>

#include <cassert>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "pipeline/keeper_process.h"
#include "sys/process.h"
#include "sys/spawn.h"

namespace penstock::pipeline {

namespace {

constexpr auto kRetryAfter = std::chrono::milliseconds(100);

}  // namespace

Keeper::Keeper(sys::EventLoop& loop)
    : loop_(loop),
      late_news_(loop, [this] { tell_of_death(); }),
      retry_timer_(loop, [this] { try_again(); }) {
  inherited_.note_inherited_pipes();
}

Keeper::~Keeper() {
  if (process_ == 0 || dead_ || left_behind_) return;
  try {
    send({.kind = Order::Kind::quit});
    wait_for_its_end();
  } catch (const Error&) {
    // It died before the word reached it, which comes to the same.
  }
}

// Its duplicates of lock and gates go with it: the next run must not find the lock held. But where
// an error has brought us here while a job ran, its tree is ended first; if it cannot be, the
// keeper holds on, and people are told.
void Keeper::wait_for_its_end() {
  sys::EventLoop only_this;
  bool gone = false;
  const sys::Watch death(only_this, pidfd_.get(), EPOLLIN, [&gone](uint32_t) { gone = true; });
  std::optional<sys::Watch> news;
  if (socket_watch_) {
    socket_watch_.reset();
    news.emplace(only_this, socket_->fd(), EPOLLIN, [&](uint32_t) {
      const auto message = socket_->receive();
      if (!message) {
        news.reset();
        return;
      }
      const Report report = Report::decode(message->text);
      note_stuck(report);
      if (report.kind == Report::Kind::tree_stuck) Log::error(report.text);
    });
  }
  only_this.run_until([&] { return gone || !stuck_.empty(); });
  if (gone) sys::reap(process_);
}

void Keeper::note_stuck(const Report& report) {
  if (report.kind == Report::Kind::tree_stuck) stuck_.insert(report.pipeline);
  if (report.kind == Report::Kind::tree_ended) stuck_.erase(report.pipeline);
}

void Keeper::start() {
  sys::become_subreaper();
  has_terminal_ = sys::has_terminal();
  retry_timer_.prepare();
  auto [ours, theirs] = sys::MessageSocket::make_pair();
  auto self = sys::open_pidfd(::getpid());
  if (!self) throw Error("open a pidfd for this process: it is not there");
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

void Keeper::spawn(PipelineId pipeline, Spawn spawn) {
  Order order{.kind = Order::Kind::spawn, .pipeline = pipeline};
  order.stage = spawn.stage;
  order.spec = std::move(spawn.spec);
  order.env = std::move(spawn.env);
  order.close_other_fds = spawn.close_other_fds;
  order.count_io = spawn.count_io;
  order.cgroup = spawn.cgroup;
  order.report_start = spawn.report_start;
  order.gate_holds = spawn.gate_holds;
  std::vector<int> fds;
  Pipeline& own = pipelines_.at(pipeline);
  own.cgroup = spawn.cgroup;
  own.lone = !spawn.report_start;
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
  pipelines_.at(pipeline).ending = true;
  if (!dead_) {
    send({.kind = Order::Kind::end_tree,
          .pipeline = pipeline,
          .mode = end.mode,
          .grace = end.grace,
          .kill_with = end.kill_with});
    return;
  }
  try {
    end_tree_here(pipeline, end);
  } catch (const Error&) {
    // Nobody but us holds the gate now: it stays shut, whatever we lack.
    pipelines_.at(pipeline).own_end_again = end;
    retry_timer_.set(kRetryAfter);
  }
}

void Keeper::try_again() {
  std::vector<std::pair<PipelineId, End>> ends;
  for (auto& [id, pipeline] : pipelines_) {
    if (const auto end = std::exchange(pipeline.own_end_again, std::nullopt)) {
      ends.emplace_back(id, *end);
    }
  }
  for (const auto& [id, end] : ends) end_tree(id, end);
}

void Keeper::end_tree_here(PipelineId pipeline, const End& end) {
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
  if (!end.kill_with.empty()) {
    hooks.kill_foreign = [kill_with = end.kill_with](const std::vector<pid_t>& pids) {
      std::vector<std::string> argv = kill_with;
      argv.emplace_back("-KILL");
      for (const pid_t pid : pids) argv.push_back(std::to_string(pid));
      // If it cannot be started, those to be killed are told about as without it. Nor is it waited
      // for: this run ends soon.
      static_cast<void>(sys::spawn_helper(argv));
    };
  }
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
  const auto found = pipelines_.find(pipeline);
  if (found == pipelines_.end()) return;
  const bool keeper_knows = found->second.over;
  pipelines_.erase(found);
  if (keeper_knows) return;
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
  const Report report = Report::decode(message->text);
  note_stuck(report);
  deliver(report);
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
  if (report.kind == Report::Kind::exited && pipeline.lone && !pipeline.ending) {
    pipeline.over = sys::ExitStatus::from_siginfo(report.how, report.value).success();
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
