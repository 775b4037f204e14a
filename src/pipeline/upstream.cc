#include "pipeline/upstream.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "pipeline/decoder_string.h"
#include "pipeline/keeper_process.h"
#include "procfs/process_table.h"
#include "sys/files.h"
#include "sys/program.h"

namespace penstock::pipeline {

using namespace std::chrono_literals;

namespace {

constexpr auto kRetirePatience = 1s;

// A pipe between two stages, or from the last one to us.
sys::Pipe make_pipe(Engine& engine, const Options& options, bool feeds_command, size_t& size) {
  sys::Pipe pipe = sys::Pipe::make();
  size = 0;
  if (options.pipe_size) {
    size = engine.budget.enlarge(pipe.write.get(),
                                 std::min(*options.pipe_size, sys::largest_pipe_size()));
  } else if (feeds_command) {
    size = engine.budget.enlarge(pipe.write.get(), sys::largest_pipe_size());
  }
  return pipe;
}

// Opening one waits for its other end, in the decoder's time as under a shell. The keeper must not
// wait so (all stages are its to start), and without waiting a FIFO would look empty, or broken.
bool opens_a_fifo(const StageSpec& stage) {
  return std::ranges::any_of(stage.redirects, [](const Redirect& redirect) {
    return !redirect.path.empty() && sys::is_fifo(redirect.path);
  });
}

}  // namespace

Upstream::Upstream(Engine& engine, const Options& options, Config config)
    : engine_(engine),
      count_(config.stages.size()),
      filter_(std::move(config.filter)),
      processes_(engine, options, [] {}) {
  if (count_ == 0) {
    output_ = std::move(config.input);
    return;
  }
  // The last pipe first: it must have its size before the first stage is there.
  sys::Pipe last = make_pipe(engine, options, config.feeds_command, output_size_);
  if (config.tap) tap_.emplace(engine.loop, *config.tap);

  sys::UniqueFd input = std::move(config.input);
  for (size_t i = 0; i < count_; ++i) {
    const bool is_last = i + 1 == count_;
    size_t ignored = 0;
    sys::Pipe next = is_last ? std::exchange(last, {}) : make_pipe(engine, options, false, ignored);
    std::vector<std::pair<int, int>> fds;
    if (input) fds.emplace_back(STDIN_FILENO, input.get());
    fds.emplace_back(STDOUT_FILENO, next.write.get());
    if (tap_) fds.emplace_back(STDERR_FILENO, tap_->writer());
    StageSpec& stage = config.stages[i];
    if (opens_a_fifo(stage)) stage = redirected_by_shell(stage);
    processes_.start(std::move(stage), engine.environment, fds);
    input = std::move(next.read);
  }
  output_ = std::move(input);
  if (tap_) tap_->close_writer();
}

Verdict Upstream::verdict(const Options& options, LastReader reader) const {
  std::vector<StageEnd> ends;
  for (size_t i = 0; i < count_; ++i) {
    const Stages::Stage& stage = processes_.at(i);
    ends.push_back({.name = stage.name(), .status = stage.status});
  }
  return judge(ends, options.decoder_ok, reader);
}

std::string start_failure(const Stages::Stage& stage) {
  const std::string& program = stage.spec.argv.at(0);
  if (stage.spawn_step == "execute") {
    const char* path = ::getenv("PATH");
    return cat(sys::exec_failure(program, path != nullptr ? path : "", stage.spawn_error),
               stage.spec.opaque ? " (SHELL names it)" : "");
  }
  return cat("start ", printable(program), " (", stage.spawn_step,
             "): ", std::generic_category().message(stage.spawn_error));
}

std::optional<std::string> Upstream::start_failure() const {
  for (size_t i = 0; i < count_; ++i) {
    if (processes_.at(i).spawn_error != 0) return pipeline::start_failure(processes_.at(i));
  }
  return std::nullopt;
}

void Upstream::retire() {
  const bool left_behind =
      output_ && count_ > 0 && all_over() && !sys::poll_now(output_.get()).hung_up;
  engine_.budget.give_back(take_output_size());
  output_.reset();
  if (left_behind) processes_.end_tree(EndMode::gate_open, kRetirePatience, -1);
  if (all_over() || retire_timer_) return;
  retire_timer_ = std::make_unique<sys::Timer>(engine_.loop, [this] {
    if (!all_over()) processes_.end_tree(EndMode::gate_open, kRetirePatience, -1);
  });
  retire_timer_->set(kRetirePatience);
}

bool Upstream::is_gone() {
  if (processes_.stuck() && !processes_.keeper_died()) {
    // Not to be ended by us. The keeper stays with it, and this run goes on to its end.
    if (!std::exchange(told_stuck_, true)) Log::error(*processes_.stuck());
    engine_.keeper.leave_behind();
    return true;
  }
  if (!processes_.keeper_died()) {
    return all_over() && (!processes_.is_ending() || processes_.tree_ended());
  }
  processes_.end_tree(EndMode::gate_shut, 0ms, -1);
  return processes_.tree_ended() || processes_.stuck();
}

std::optional<std::string> holder_of(int fd, bool writes) {
  const ino_t inode = sys::inode_of(fd);
  for (const procfs::ProcessStat& process : procfs::read_all_stats()) {
    if (process.pid == ::getpid() || process.comm == kKeeperName) continue;
    const auto ends = procfs::read_pipe_ends(process.pid);
    if (!ends) continue;
    const bool holds = std::ranges::any_of(*ends, [&](const procfs::PipeEnd& end) {
      return end.inode == inode && (writes ? end.writes : end.reads);
    });
    if (holds) return cat(printable(process.comm), " ", process.pid);
  }
  return std::nullopt;
}

}  // namespace penstock::pipeline
