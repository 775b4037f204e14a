#include "procfs/capture.h"

#include <fcntl.h>

#include <algorithm>
#include <ctime>
#include <future>
#include <iterator>
#include <span>
#include <system_error>
#include <unordered_set>

#include "base/error.h"
#include "base/text.h"
#include "procfs/probe.h"
#include "procfs/process_details.h"
#include "procfs/recorded.h"
#include "procfs/still_pipes.h"
#include "procfs/surroundings.h"
#include "sys/signals.h"

namespace penstock::procfs {

namespace {

double monotonic_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

// `work` on all items, its results in their order. If there are many, the second half is done by a
// thread of its own, if one can be had: the kernel's answers are nearly all of the cost.
template <typename Work, typename Item>
auto by_halves(const std::vector<Item>& items, const Work& work) {
  constexpr size_t kWorthAThread = 512;
  const std::span<const Item> all(items);
  if (all.size() < kWorthAThread) return work(all);
  const auto first = all.first(all.size() / 2);
  const auto second = all.subspan(first.size());
  std::future<decltype(work(second))> elsewhere;
  try {
    const sys::SignalsHeld held;  // the thread inherits that: no handler of our host runs in it
    elsewhere = std::async(std::launch::async, [&] { return work(second); });
  } catch (const std::system_error&) {
    // A machine without room for one more thread is one that wants a diagnosis.
  }
  auto results = work(first);
  auto others = elsewhere.valid() ? elsewhere.get() : work(second);
  std::ranges::move(others, std::back_inserter(results));
  return results;
}

// One snapshot in the making.
class Capture {
 public:
  Capture(const Source& source, const Snapshot* earlier)
      : source_(source), earlier_(earlier), proc_(Reader::place(AT_FDCWD, source.proc.c_str())) {
    if (!proc_) throw Error::from_errno(cat("open ", printable(source.proc)));
    if (!source.is_live()) recorded_ = read_recorded(reader_, proc_.get());
    snapshot_.builds_on_earlier = earlier != nullptr;
    snapshot_.machine = read_machine(reader_, proc_.get(), source, recorded_);
    snapshot_.taken_s = source.is_live() ? monotonic_seconds()
                                         : recorded_.taken_s.value_or(snapshot_.machine.uptime_s);
  }

  // All processes first, as they are seen from afar; then those that were chosen, from near; the
  // pipes after whoever sleeps on them, so that what is said of a pipe is never older than the
  // sleep.
  Snapshot take(const Chooser& choose) {
    read_table();
    look_at(choose ? choose(snapshot_) : std::set<pid_t>());
    probe_pipes();
    read_surroundings(reader_, proc_.get(), source_, other_than_tcp(), wanted_locks(), snapshot_);
    return std::move(snapshot_);
  }

 private:
  ProcessReader process_reader(Reader& reader) const {
    return {reader,
            proc_.get(),
            source_.is_live() ? Origin::live : Origin::recorded,
            snapshot_.machine,
            earlier_,
            snapshot_.taken_s};
  }

  void read_table() {
    std::vector<int> pids;
    if (!reader_.list_numbers(proc_.get(), ".", pids)) {
      throw Error::from_errno(cat("read ", printable(source_.proc)));
    }
    auto entries = by_halves(pids, [this](std::span<const int> some) {
      Reader reader;
      ProcessReader processes = process_reader(reader);
      std::vector<ProcessReader::Entry> found;
      found.reserve(some.size());
      for (const pid_t pid : some) {
        if (auto entry = processes.read_entry(pid)) found.push_back(std::move(*entry));
      }
      return found;
    });
    for (ProcessReader::Entry& entry : entries) {
      const pid_t pid = entry.process.stat.pid;
      if (entry.may_rest) resting_.insert(pid);
      snapshot_.processes.emplace(pid, std::move(entry.process));
    }
  }

  struct Looked {
    pid_t pid = 0;
    bool is_there = false;
    bool rests = false;
    bool saw_syscall_file = false;
  };

  void look_at(const std::set<pid_t>& chosen) {
    constexpr size_t kMany = 256;
    std::vector<Process*> processes;
    for (const pid_t pid : chosen) {
      const auto found = snapshot_.processes.find(pid);
      if (found != snapshot_.processes.end()) processes.push_back(&found->second);
    }
    const auto seen = by_halves(processes, [&](std::span<Process* const> some) {
      Reader reader;
      ProcessReader by = process_reader(reader);
      if (chosen.size() > kMany) by.be_brief();
      std::vector<Looked> found;
      for (Process* process : some) found.push_back(look_at(*process, by));
      return found;
    });
    for (const Looked& each : seen) {
      if (!each.is_there) snapshot_.processes.erase(each.pid);
      if (!each.rests) resting_.erase(each.pid);
    }
    if (!seen.empty()) {
      snapshot_.machine.has_syscall_file =
          std::ranges::any_of(seen, [](const Looked& each) { return each.saw_syscall_file; });
    }
    ProcessReader by = process_reader(reader_);
    std::vector<pid_t> gone;
    for (auto& [pid, process] : snapshot_.processes) {
      if (process.looked_at) continue;
      if (resting_.erase(pid) != 0 && !by.read_descriptors(process)) gone.push_back(pid);
      ProcessReader::forget_details(process);
    }
    for (const pid_t pid : gone) snapshot_.processes.erase(pid);
  }

  Looked look_at(Process& process, ProcessReader& by) const {
    Looked looked{.pid = process.stat.pid};
    looked.rests = resting_.contains(looked.pid) && by.confirm_rest(process);
    looked.is_there = looked.rests || by.read_details(process);
    looked.saw_syscall_file =
        looked.rests ? earlier_->machine.has_syscall_file : by.saw_syscall_file();
    return looked;
  }

  void probe_pipes() {
    std::set<ino_t> pipes;
    for (const auto& [pid, process] : snapshot_.processes) {
      if (!process.looked_at || !process.descriptors) continue;
      for (const Descriptor& descriptor : *process.descriptors) {
        if (descriptor.is_pipe() && descriptor.inode != 0) pipes.insert(descriptor.inode);
      }
    }
    if (!source_.is_live()) {
      for (const ino_t pipe : pipes) snapshot_.pipes[pipe] = recorded_pipe(pipe);
      return;
    }
    if (earlier_ != nullptr) keep_still_ones(pipes);
    const auto holders = holders_of(snapshot_, pipes);
    const std::vector<ino_t> asked(pipes.begin(), pipes.end());
    auto answers = by_halves(asked, [&](std::span<const ino_t> some) {
      std::vector<PipeFacts> facts;
      facts.reserve(some.size());
      for (const ino_t pipe : some) facts.push_back(probe(proc_.get(), pipe, holders.at(pipe)));
      return facts;
    });
    for (PipeFacts& facts : answers) snapshot_.pipes[facts.inode] = std::move(facts);
  }

  void keep_still_ones(std::set<ino_t>& pipes) {
    const std::unordered_set<ino_t> stirred = stirred_pipes(*earlier_, snapshot_, resting_);
    std::erase_if(pipes, [&](ino_t pipe) {
      const auto then = earlier_->pipes.find(pipe);
      if (stirred.contains(pipe) || then == earlier_->pipes.end()) return false;
      snapshot_.pipes[pipe] = then->second;
      return true;
    });
  }

  // Nobody waits for long for a lock for which he did not wait before. But not from look to look
  // for ever.
  Locks wanted_locks() const {
    if (!source_.is_live() || earlier_ == nullptr || earlier_->builds_on_earlier) {
      return Locks::read;
    }
    return std::ranges::any_of(earlier_->locks, &FileLock::waits) ? Locks::read : Locks::left_out;
  }

  // Sockets that only sleepers hold and held, and that were in no table of TCP before: nobody has
  // connected them meanwhile.
  std::set<ino_t> other_than_tcp() const {
    std::set<ino_t> sockets;
    if (earlier_ == nullptr) return sockets;
    const auto each_socket = [](const Process& process, const auto& see) {
      if (!process.descriptors) return;
      for (const Descriptor& file : *process.descriptors) {
        if (file.kind == FileKind::socket) see(file.inode);
      }
    };
    for (const pid_t pid : resting_) {
      each_socket(snapshot_.processes.at(pid), [&](ino_t socket) {
        if (!earlier_->tcp.contains(socket)) sockets.insert(socket);
      });
    }
    const Snapshot* const now = &snapshot_;
    for (const Snapshot* snapshot : {earlier_, now}) {
      for (const auto& [pid, process] : snapshot->processes) {
        if (resting_.contains(pid)) continue;
        each_socket(process, [&](ino_t socket) { sockets.erase(socket); });
      }
    }
    return sockets;
  }

  PipeFacts recorded_pipe(ino_t pipe) const {
    const auto found = recorded_.pipes.find(pipe);
    return found != recorded_.pipes.end() ? found->second
                                          : PipeFacts{.inode = pipe, .refused = "not recorded"};
  }

  const Source& source_;
  const Snapshot* earlier_;
  sys::UniqueFd proc_;
  Reader reader_;
  Recorded recorded_;
  Snapshot snapshot_;
  std::set<pid_t> resting_;  // have not run since the earlier snapshot, so far as is known
};

}  // namespace

Snapshot take_snapshot(const Source& source, const Chooser& choose, const Snapshot* earlier) {
  return Capture(source, earlier).take(choose);
}

PipeFacts probe_pipe(const Source& source, const Snapshot& snapshot, ino_t pipe) {
  const sys::UniqueFd proc = Reader::place(AT_FDCWD, source.proc.c_str());
  if (!proc) return {.inode = pipe, .refused = cat("cannot open ", printable(source.proc))};
  if (source.is_live()) {
    const auto holders = holders_of(snapshot, {pipe});
    const auto found = holders.find(pipe);
    return probe(proc.get(), pipe, found == holders.end() ? PipeHolders() : found->second);
  }
  Reader reader;
  const Recorded recorded = read_recorded(reader, proc.get());
  const auto found = recorded.pipes.find(pipe);
  if (found != recorded.pipes.end()) return found->second;
  return {.inode = pipe, .refused = "not recorded"};
}

}  // namespace penstock::procfs
