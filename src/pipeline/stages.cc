#include "pipeline/stages.h"

#include <unistd.h>

#include <algorithm>

#include "base/text.h"

namespace penstock::pipeline {

namespace {

std::unique_ptr<Cgroup> make_cgroup() {
  static uint64_t made = 0;
  return std::make_unique<Cgroup>(cat("penstock-", ::getpid(), "-", ++made));
}

}  // namespace

std::string Stages::Stage::name() const {
  return std::string(base_name(spec.argv.at(0)));
}

Stages::Stages(Engine& engine, const Options& options, std::function<void()> changed)
    : engine_(engine),
      options_(options),
      changed_(std::move(changed)),
      cgroup_(options.cgroup ? make_cgroup() : nullptr),
      id_(engine.keeper.open([this](const Report& report) { take(report); })) {}

Stages::~Stages() {
  engine_.keeper.forget(id_);
}

size_t Stages::start(StageSpec spec, std::vector<std::string> env,
                     const std::vector<std::pair<int, int>>& fds, GateKind gate) {
  const size_t index = stages_.size();
  Keeper::Spawn spawn{.stage = static_cast<StageId>(index),
                      .spec = spec,
                      .env = std::move(env),
                      .fds = fds,
                      .close_other_fds = options_.close_fds,
                      .count_io = options_.count_io,
                      .report_start = gate != GateKind::none || index > 0,
                      .gate_holds = gate == GateKind::hold};
  if (cgroup_) {
    spawn.fds.emplace_back(kCgroupRole, cgroup_->procs());
    spawn.cgroup = cgroup_->path();
  }
  stages_.push_back({.spec = std::move(spec), .started = Clock::now()});
  engine_.keeper.spawn(id_, std::move(spawn));
  return index;
}

bool Stages::all_over(size_t first, size_t last) const {
  return std::all_of(stages_.begin() + static_cast<std::ptrdiff_t>(first),
                     stages_.begin() + static_cast<std::ptrdiff_t>(last),
                     [](const Stage& stage) { return stage.is_over(); });
}

void Stages::end_tree(EndMode mode, std::chrono::milliseconds grace, int gate) {
  if (ending_ && (!keeper_died_ || ending_alone_)) return;
  ending_ = true;
  ending_alone_ = keeper_died_;
  engine_.keeper.end_tree(
      id_, {.mode = mode, .grace = grace, .kill_with = options_.kill_with, .gate = gate});
}

void Stages::take(const Report& report) {
  switch (report.kind) {
    case Report::Kind::spawned:
      stages_.at(report.stage).pid = report.pid;
      stages_.at(report.stage).start_time = report.start_time;
      break;
    case Report::Kind::spawn_failed: {
      Stage& stage = stages_.at(report.stage);
      stage.spawn_error = report.error;
      stage.spawn_step = report.text;
      stage.ended = Clock::now();
      break;
    }
    case Report::Kind::exited: {
      Stage& stage = stages_.at(report.stage);
      stage.status = sys::ExitStatus::from_siginfo(report.how, report.value);
      stage.ended = Clock::now();
      stage.is_counted = report.is_counted;
      stage.bytes_read = report.bytes_read;
      stage.bytes_written = report.bytes_written;
      break;
    }
    case Report::Kind::tree_ended:
      tree_ended_ = true;
      break;
    case Report::Kind::tree_stuck:
      stuck_ = report.text;
      break;
    case Report::Kind::keeper_died:
      keeper_died_ = true;
      break;
  }
  const auto changed = changed_;  // may destroy us
  changed();
}

}  // namespace penstock::pipeline
