// What a run tells the stall watch: whether bytes are to be expected, and whether they come.
#include <unistd.h>

#include "base/text.h"
#include "pipeline/run.h"
#include "procfs/process_table.h"

namespace penstock::pipeline {

namespace {

constexpr size_t kMostNotes = 50;  // of one job

}  // namespace

// A command that has all of its input, or wants none, is left alone: it may be silent for as long
// as it likes.
void Run::watch_for_stalls() {
  if (!upstream_ && !pump_ && !spooled_) return;
  stall_handle_.emplace(
      engine_.stalls, options_.stall,
      StallSubject{.name = config_.job == "run" ? config_.job : cat("job ", printable(config_.job)),
                   .exposed = exposed_,
                   .streams = [this] { return streams(); },
                   .bytes = [this] { return bytes_passed(); },
                   .counters = [this] { return bytes_counted(); },
                   .processes = [this] { return processes_to_ask_about(); },
                   .note =
                       [this](const std::string& sentence) {
                         if (outcome_.stalls.size() < kMostNotes)
                           outcome_.stalls.push_back(sentence);
                       },
                   .give_up =
                       [this](const std::string& sentence, bool retry) {
                         fail(retry ? Outcome::Kind::stalled_try_again : Outcome::Kind::stalled,
                              sentence);
                       }});
}

// Not in the commit tail: all was passed on, and the command works at what it has.
bool Run::streams() const {
  if (done_ || phase_ == Phase::ending) return false;
  if (phase_ == Phase::verifying) return true;
  if (pump_) return pump_->phase() != Pump::Phase::finished;
  return upstream_ && !upstream_->all_over();
}

uint64_t Run::bytes_passed() const {
  if (pump_) return pump_->progress();
  return spooled_ ? spooled_->size() : 0;
}

uint64_t Run::bytes_counted() const {
  uint64_t sum = 0;
  for (const Stages::Stage& stage : all_stages()) {
    if (stage.pid == 0 || stage.is_over()) continue;
    if (const auto io = procfs::read_io(stage.pid)) sum += io->read + io->written;
  }
  return sum;
}

// Our own process, too: the last link before the command is a thread of it.
std::vector<pid_t> Run::processes_to_ask_about() const {
  std::vector<pid_t> pids;
  for (const Stages::Stage& stage : all_stages()) {
    if (stage.pid != 0 && !stage.is_over()) pids.push_back(stage.pid);
  }
  if (!pids.empty() && (pump_ || spooled_)) pids.push_back(::getpid());
  return pids;
}

}  // namespace penstock::pipeline
