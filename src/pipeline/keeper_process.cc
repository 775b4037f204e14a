#include "pipeline/keeper_process.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <ranges>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "pipeline/message.h"
#include "pipeline/stage_sandbox.h"
#include "pipeline/tree_end.h"
#include "sys/event_loop.h"
#include "sys/files.h"
#include "sys/message_socket.h"
#include "sys/process.h"
#include "sys/signals.h"
#include "sys/spawn.h"

namespace penstock::pipeline {

using namespace std::chrono_literals;

namespace {

// For a command whose gate had been opened already when the processor died: it may be at the end of
// its commit.
constexpr auto kOpenGrace = 5s;
constexpr auto kRetryAfter = 100ms;
// Of a row of small jobs the next one comes while we would still be falling asleep, and waking us
// up would then be a tenth of its whole time.
constexpr auto kStandBy = 150us;
// Jobs that begin so soon one after the other are a row.
constexpr auto kRow = 50ms;

sys::SpawnOutcome start(sys::StagePlan& plan, const StageSpec& spec) {
  std::optional<sys::Sandbox> sandbox;
  try {
    sandbox = make_sandbox(spec);
  } catch (const Error& error) {
    return {.error = error.code().value(), .step = "prepare the sandbox"};
  }
  if (sandbox) plan.sandbox = &*sandbox;
  // What was open above 2 before may be a way out, the lock of the queue for one.
  if (sandbox) plan.close_other_fds = true;
  return sys::spawn_stage(plan);
}

uint64_t start_time_of(pid_t pid) {
  const auto stat = procfs::read_stat(pid);
  return stat ? stat->start_time : 0;
}

void tell(std::string_view what) {
  const std::string line = cat("penstock: ", kKeeperName, ": ", what, "\n");
  static_cast<void>(!::write(STDERR_FILENO, line.data(), line.size()));
}

class KeeperProcess {
 public:
  KeeperProcess(sys::UniqueFd socket, sys::UniqueFd processor);
  // Until told to quit, or until the processor is dead and so is everybody else.
  void run();
  // After an error of run(), before it is called again: from now on all that is done is to end what
  // runs behind shut gates. Letting go of those while somebody lives would open them.
  void begin_the_end();

 private:
  struct Stage {
    StageId id = 0;
    pid_t pid = 0;
    sys::UniqueFd io;  // where its bytes are to be reported, and may be read
    bool reported = false;
    bool reaped = false;
  };
  struct Pipeline {
    JobTree tree;
    std::vector<Stage> stages;
    sys::UniqueFd gate;
    sys::UniqueFd gate_text;
    std::string cgroup;
    bool had_gate = false;
    bool gate_holds = false;
    bool lone = false;  // see Order::report_start
    bool over = false;  // a lone command that did well: nobody will ask for it again
    std::unique_ptr<TreeEnd> end;
    std::function<void()> end_again;  // begins it anew, where that failed
    bool ended = false;
    bool forgotten = false;  // by the processor, though it is not over: it goes when it is
  };

  void take_order();
  // What each step needs of the program counts as our memory, and would add up. In a row of small
  // jobs it may: the next of them needs the same again, and to map it takes longer than the rest.
  void drop_pages() const {
    if (!is_in_row_) sys::drop_startup_pages();
  }
  void obey(Order order, std::vector<sys::UniqueFd> fds);
  void spawn(Order order, std::vector<sys::UniqueFd> fds);
  void end_tree(PipelineId id, EndMode mode, std::chrono::milliseconds grace,
                const std::vector<std::string>& kill_with);
  void try_again();
  void forget(PipelineId id);
  void end_for_processor(PipelineId id, const Pipeline& pipeline);
  void report(const Report& report);
  void processor_died();
  void children_changed();
  bool expects_order() const { return orders_come_at_once_ && pipelines_.empty(); }
  void look_at_stage(PipelineId id, Pipeline& pipeline, Stage& stage);
  bool keeps_dead_leader() const;
  void kill_foreign(const std::vector<std::string>& kill_with, const std::vector<pid_t>& pids);

  sys::EventLoop loop_;
  sys::MessageSocket socket_;
  sys::UniqueFd processor_;
  sys::SignalFd signals_{sys::signal_set({SIGCHLD})};
  bool own_session_ = false;
  bool processor_is_dead_ = false;  // or as good as that
  bool has_lost_touch_ = false;
  bool quit_ = false;
  bool is_in_row_ = false;
  std::chrono::steady_clock::time_point last_begin_;
  bool orders_come_at_once_ = false;
  std::chrono::steady_clock::time_point last_report_;
  sys::DescriptorLimit descriptor_limit_;
  bool lack_is_told_ = false;
  JobTree inherited_;  // what every job's tree starts from
  std::vector<sys::UniqueFd> held_;
  std::map<PipelineId, Pipeline> pipelines_;
  std::optional<sys::Watch> socket_watch_;
  std::optional<sys::Watch> processor_watch_;
  sys::Watch signals_watch_;
  sys::Timer retry_timer_{loop_, [this] { try_again(); }};
};

KeeperProcess::KeeperProcess(sys::UniqueFd socket, sys::UniqueFd processor)
    : socket_(std::move(socket)),
      processor_(std::move(processor)),
      signals_watch_(loop_, signals_.fd(), EPOLLIN, [this](uint32_t) {
        while (signals_.next()) {
        }
        children_changed();
      }) {
  socket_watch_.emplace(loop_, socket_.fd(), EPOLLIN, [this](uint32_t) { take_order(); });
  processor_watch_.emplace(loop_, processor_.get(), EPOLLIN,
                           [this](uint32_t) { processor_died(); });
  retry_timer_.prepare();
  // Without a terminal we open a session, and each job is a process group in it. With one,
  // everything stays where the caller's shell can stop and continue it.
  own_session_ = !sys::has_terminal() && ::setsid() >= 0;
  sys::drop_startup_pages();
  inherited_.note_inherited_pipes();
  sys::drop_startup_pages();
  inherited_.session = own_session_ ? ::getpid() : 0;
}

void KeeperProcess::run() {
  for (;;) {
    loop_.turn(expects_order() ? kStandBy : 0us);
    if (has_lost_touch_) processor_died();
    if ((quit_ || processor_is_dead_) &&
        std::ranges::all_of(pipelines_, [](const auto& entry) { return entry.second.ended; })) {
      return;
    }
  }
}

void KeeperProcess::begin_the_end() {
  has_lost_touch_ = true;
  descriptor_limit_.restore();
  for (const auto& [id, pipeline] : pipelines_) {
    if (!pipeline.gate) continue;
    for (const Stage& stage : pipeline.stages) {
      // Not reaped, so the number is still its.
      if (!stage.reaped) static_cast<void>(::kill(stage.pid, SIGKILL));
    }
  }
}

void KeeperProcess::take_order() {
  // A dead processor's last orders are not obeyed: nobody would close their gates.
  if (sys::is_dead(processor_.get())) {
    processor_died();
    return;
  }
  auto message = socket_.receive();
  if (!message) {
    socket_watch_.reset();  // it is about to die; its pidfd will tell
    return;
  }
  orders_come_at_once_ = std::chrono::steady_clock::now() - last_report_ < kStandBy;
  obey(Order::decode(message->text), std::move(message->fds));
  drop_pages();
}

void KeeperProcess::obey(Order order, std::vector<sys::UniqueFd> fds) {
  switch (order.kind) {
    case Order::Kind::hold:
      for (sys::UniqueFd& fd : fds) held_.push_back(std::move(fd));
      return;
    case Order::Kind::spawn:
      spawn(std::move(order), std::move(fds));
      return;
    case Order::Kind::let_go: {
      Pipeline& pipeline = pipelines_[order.pipeline];
      pipeline.gate.reset();
      pipeline.gate_text.reset();
      return;
    }
    case Order::Kind::end_tree:
      end_tree(order.pipeline, order.mode, order.grace, order.kill_with);
      return;
    case Order::Kind::forget:
      forget(order.pipeline);
      return;
    case Order::Kind::quit: {
      quit_ = true;
      std::vector<PipelineId> ids;
      ids.reserve(pipelines_.size());
      for (const auto& [id, pipeline] : pipelines_) ids.push_back(id);
      for (const PipelineId id : ids) forget(id);
      return;
    }
  }
}

void KeeperProcess::spawn(Order order, std::vector<sys::UniqueFd> fds) {
  auto [entry, is_new] = pipelines_.try_emplace(order.pipeline);
  Pipeline& pipeline = entry->second;
  if (is_new) {
    pipeline.tree = inherited_;
    const auto now = std::chrono::steady_clock::now();
    is_in_row_ = now - std::exchange(last_begin_, now) < kRow;
  }
  pipeline.lone = !order.report_start;

  sys::StagePlan plan;
  plan.argv = order.spec.argv;
  plan.env = std::move(order.env);
  for (const std::string& variable : plan.env) {
    if (variable.starts_with("PATH=")) plan.path = variable.substr(5);
  }
  for (size_t i = 0; i < fds.size() && i < order.fd_roles.size(); ++i) {
    const int role = order.fd_roles[i];
    if (role == kGateRole) {
      pipeline.gate = std::move(fds[i]);
      pipeline.had_gate = true;
      pipeline.gate_holds = order.gate_holds;
    } else if (role == kGateTextRole) {
      pipeline.gate_text = std::move(fds[i]);
    } else if (role == kCgroupRole) {
      plan.cgroup_procs = fds[i].get();
      pipeline.cgroup = order.cgroup;
    } else {
      plan.fds.emplace_back(role, fds[i].get());
      pipeline.tree.note_descriptor(role, fds[i].get());
    }
  }
  for (const Redirect& redirect : order.spec.redirects) {
    int flags = O_RDONLY;
    if (redirect.mode == Redirect::Mode::write) flags = O_WRONLY | O_CREAT | O_TRUNC;
    if (redirect.mode == Redirect::Mode::append) flags = O_WRONLY | O_CREAT | O_APPEND;
    plan.redirects.push_back(
        {.fd = redirect.fd, .path = redirect.path, .flags = flags, .from_fd = redirect.from_fd});
  }
  plan.close_other_fds = order.close_other_fds;
  if (own_session_) {
    plan.group = sys::StagePlan::Group::join;
    plan.group_id = pipeline.tree.group;
  }

  drop_pages();
  const sys::SpawnOutcome outcome = start(plan, order.spec);
  drop_pages();
  if (outcome.pid == 0) {
    report({.kind = Report::Kind::spawn_failed,
            .pipeline = order.pipeline,
            .stage = order.stage,
            .error = outcome.error,
            .text = outcome.step});
    return;
  }
  // Of a lone command it is read when it is asked for.
  const uint64_t start_time = order.report_start ? start_time_of(outcome.pid) : 0;
  if (own_session_ && pipeline.tree.group == 0) pipeline.tree.group = outcome.pid;
  pipeline.tree.stages.push_back({.pid = outcome.pid, .start_time = start_time});
  pipeline.stages.push_back({.id = order.stage, .pid = outcome.pid});
  if (order.count_io) pipeline.stages.back().io = procfs::open_io(outcome.pid);
  if (!order.report_start) return;
  report({.kind = Report::Kind::spawned,
          .pipeline = order.pipeline,
          .stage = order.stage,
          .pid = outcome.pid,
          .start_time = start_time});
}

void KeeperProcess::end_tree(PipelineId id, EndMode mode, std::chrono::milliseconds grace,
                             const std::vector<std::string>& kill_with) {
  auto [entry, is_new] = pipelines_.try_emplace(id);
  Pipeline& pipeline = entry->second;
  if (pipeline.end) return;
  // The number of one that was reaped may be another one's by now: he must not be stopped for it.
  for (size_t i = 0; i < pipeline.stages.size(); ++i) {
    JobTree::Stage& known = pipeline.tree.stages.at(i);
    if (known.start_time == 0 && !pipeline.stages[i].reaped)
      known.start_time = start_time_of(known.pid);
  }
  TreeEnd::Hooks hooks;
  hooks.ended = [this, id] {
    Pipeline& over = pipelines_.at(id);
    over.ended = true;
    children_changed();  // the statuses go before the news that all are dead
    report({.kind = Report::Kind::tree_ended, .pipeline = id});
    if (over.forgotten) forget(id);
  };
  hooks.stuck = [this, id](pid_t pid, const std::string& sentence) {
    report({.kind = Report::Kind::tree_stuck, .pipeline = id, .pid = pid, .text = sentence});
  };
  hooks.others = [this, id] {
    std::set<pid_t> others;
    for (const auto& [other, theirs] : pipelines_) {
      if (other == id) continue;
      for (const Stage& stage : theirs.stages) {
        if (!stage.reaped) others.insert(stage.pid);
      }
    }
    return others;
  };
  if (!kill_with.empty()) {
    hooks.kill_foreign = [this, kill_with](const std::vector<pid_t>& pids) {
      kill_foreign(kill_with, pids);
    };
  }
  try {
    pipeline.end = std::make_unique<TreeEnd>(loop_,
                                             TreeEnd::Plan{.tree = pipeline.tree,
                                                           .root = ::getpid(),
                                                           .mode = mode,
                                                           .grace = grace,
                                                           .cgroup = pipeline.cgroup,
                                                           .gate = pipeline.gate.get(),
                                                           .gate_holds = pipeline.gate_holds},
                                             std::move(hooks));
  } catch (const Error& error) {
    if (!std::exchange(lack_is_told_, true))
      tell(cat("cannot look after the job: ", error.message(), "; its input stays shut"));
    descriptor_limit_.restore();
    // We may be the last that holds this gate: it stays shut, whatever we lack.
    pipeline.end_again = [this, id, mode, grace, kill_with] {
      end_tree(id, mode, grace, kill_with);
    };
    retry_timer_.set(kRetryAfter);
  }
}

void KeeperProcess::try_again() {
  std::vector<std::function<void()>> ends;
  for (auto& [id, pipeline] : pipelines_) {
    if (pipeline.end_again) ends.push_back(std::exchange(pipeline.end_again, nullptr));
  }
  for (const auto& end : ends) end();
}

void KeeperProcess::forget(PipelineId id) {
  const auto found = pipelines_.find(id);
  if (found == pipelines_.end()) return;
  // An error made the processor drop it: the command must not take our letting go for its gate's
  // opening, nor outlive the lock.
  Pipeline& pipeline = found->second;
  const bool lives =
      std::ranges::any_of(pipeline.stages, [](const Stage& stage) { return !stage.reported; });
  if (!pipeline.ended && (lives || pipeline.end || pipeline.end_again || pipeline.gate)) {
    pipeline.forgotten = true;
    end_for_processor(id, pipeline);
    return;
  }
  for (Stage& stage : pipeline.stages) {
    if (!stage.reaped) sys::reap(stage.pid);
  }
  pipelines_.erase(found);
  children_changed();
}

void KeeperProcess::report(const Report& report) {
  if (processor_is_dead_ || has_lost_touch_) return;
  last_report_ = std::chrono::steady_clock::now();
  try {
    socket_.send(report.encode());
  } catch (const Error& error) {
    // The processor is gone, and its pidfd will say so. But one that lives would wait for ever for
    // what it was not told. Our death it hears of; before that we end the trees and hold the gates,
    // as it may be dying of the same want.
    if (error.is(EPIPE) || error.is(ECONNRESET)) return;
    has_lost_touch_ = true;
    tell(cat(error.message(), "; ending the job"));
  }
}

void KeeperProcess::processor_died() {
  if (processor_is_dead_) return;
  processor_is_dead_ = true;
  processor_watch_.reset();
  socket_watch_.reset();
  for (const auto& [id, pipeline] : pipelines_) end_for_processor(id, pipeline);
}

void KeeperProcess::end_for_processor(PipelineId id, const Pipeline& pipeline) {
  const bool opened = pipeline.had_gate && !pipeline.gate;
  end_tree(id, opened ? EndMode::gate_open : EndMode::gate_shut,
           opened ? std::chrono::milliseconds(kOpenGrace) : 0ms, {});
}

bool KeeperProcess::keeps_dead_leader() const {
  return std::ranges::any_of(pipelines_, [](const auto& entry) {
    return std::ranges::any_of(entry.second.stages,
                               [](const Stage& stage) { return stage.reported && !stage.reaped; });
  });
}

void KeeperProcess::children_changed() {
  for (auto& [id, pipeline] : pipelines_) {
    if (pipeline.gate_holds) {
      for (Stage& stage : pipeline.stages) look_at_stage(id, pipeline, stage);
    } else {
      // Of several that are found dead at once the last goes first: the others wrote into its pipe,
      // so its failure may be the cause of theirs.
      for (Stage& stage : std::views::reverse(pipeline.stages)) look_at_stage(id, pipeline, stage);
    }
  }
  std::erase_if(pipelines_, [](const auto& entry) { return entry.second.over; });
  // Orphans of stages, which came to us because we are a subreaper. While a dead leader is kept,
  // waitid shows nothing but it; they are seen once it is reaped.
  if (keeps_dead_leader()) return;
  while (const auto orphan = sys::peek_dead_child()) {
    const bool is_stage = std::ranges::any_of(pipelines_, [&](const auto& entry) {
      return std::ranges::any_of(entry.second.stages, [&](const Stage& stage) {
        return stage.pid == *orphan && !stage.reaped;
      });
    });
    if (is_stage) return;  // it died after the loop above; its SIGCHLD is pending
    sys::reap(*orphan);
  }
}

void KeeperProcess::look_at_stage(PipelineId id, Pipeline& pipeline, Stage& stage) {
  if (stage.reported) return;
  const auto status = sys::peek_status(stage.pid);
  if (!status) return;
  Report ended{.kind = Report::Kind::exited, .pipeline = id, .stage = stage.id, .pid = stage.pid};
  ended.how = status->was_killed() ? CLD_KILLED : CLD_EXITED;
  ended.value = status->was_killed() ? status->signal() : status->code();
  if (const auto io = procfs::read_io(stage.io)) {
    ended.is_counted = true;
    ended.bytes_read = io->read;
    ended.bytes_written = io->written;
  }
  stage.io.reset();
  stage.reported = true;
  // A group's leader stays unreaped while others may join, so that its number cannot be given out
  // anew.
  const bool is_leader = pipeline.tree.group == stage.pid;
  pipeline.over = pipeline.lone && !pipeline.end && status->success();
  if (!is_leader || pipeline.ended || pipeline.over) {
    sys::reap(stage.pid);
    stage.reaped = true;
  }
  report(ended);
}

void KeeperProcess::kill_foreign(const std::vector<std::string>& kill_with,
                                 const std::vector<pid_t>& pids) {
  sys::StagePlan plan;
  plan.argv = kill_with;
  plan.argv.emplace_back("-KILL");
  for (const pid_t pid : pids) plan.argv.push_back(std::to_string(pid));
  for (char** variable = environ; *variable != nullptr; ++variable)
    plan.env.emplace_back(*variable);
  if (const char* path = ::getenv("PATH"); path != nullptr) plan.path = path;
  static_cast<void>(
      sys::spawn_stage(plan));  // if it fails, the one to be killed is told about as before
}

// Whatever we lack: as long as somebody lives behind a gate that we hold, we stay, and it is shut.
// The processor may be dying of the same want.
int keep(KeeperProcess& keeper) {
  constexpr timespec kPause{.tv_sec = 0, .tv_nsec = 100'000'000};
  for (bool is_told = false;; is_told = true) {
    try {
      keeper.run();
      return is_told ? 1 : 0;
    } catch (const std::exception& error) {
      if (!is_told) tell(cat(error.what(), "; ending the job"));
      keeper.begin_the_end();
      ::nanosleep(&kPause, nullptr);
    }
  }
}

}  // namespace

int keeper_main(std::span<char* const> arguments) {
  try {
    sys::drop_startup_pages();  // the loader's, before our own come on top
    sys::block_all_signals();
    sys::set_process_name(kKeeperName);
    sys::become_subreaper();
    if (arguments.size() != 2) throw Error("the keeper is started by penstock only");
    const auto socket = parse_u64(arguments[0]);
    const auto processor = parse_u64(arguments[1]);
    if (!socket || !processor) throw Error("the keeper is started by penstock only");
    auto own = [](uint64_t fd) {
      fcntl(static_cast<int>(fd), F_SETFD, FD_CLOEXEC);
      return sys::UniqueFd(static_cast<int>(fd));
    };
    KeeperProcess keeper(own(*socket), own(*processor));
    sys::drop_startup_pages();
    return keep(keeper);
  } catch (const std::exception& error) {
    tell(error.what());  // we hold nothing yet
    return 1;
  }
}

}  // namespace penstock::pipeline
