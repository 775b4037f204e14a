#include "cli/doctor_scope.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/text.h"
#include "doctor/gate_text.h"
#include "procfs/capture.h"
#include "procfs/process_table.h"
#include "spool/run_record.h"
#include "sys/files.h"

namespace penstock::cli {

namespace {

using doctor::Scope;
using procfs::Descriptor;
using procfs::Process;
using procfs::Snapshot;

// /proc answers for the number of a thread, but lists it nowhere: its process is meant.
pid_t process_of(pid_t number) {
  const auto status = sys::try_open(cat("/proc/", number, "/status"), O_RDONLY);
  if (!status) throw Error(cat("process ", number, ": no such process"));
  constexpr size_t kMost = 16384;
  const std::string text = sys::read_small_file(status->get(), kMost, "status");
  constexpr std::string_view kField = "\nTgid:";
  const size_t at = text.find(kField);
  if (at == std::string::npos) return number;
  std::string_view rest = std::string_view(text).substr(at + kField.size());
  rest = trim(rest.substr(0, rest.find('\n')));
  return static_cast<pid_t>(parse_u64(rest).value_or(static_cast<uint64_t>(number)));
}

// Whether a gate's text is about this job. Its queue may be named from where its holder stands.
bool is_gate_of(const doctor::GateText& gate, pid_t holder, const std::string& queue,
                uint64_t job) {
  // "7 fspl-x.fspl"
  if (parse_u64(gate.job.substr(0, gate.job.find(' '))) != job) return false;
  // Only then a look at the file system: another queue's may not answer.
  if (base_name(gate.queue) != base_name(queue)) return false;
  const bool is_absolute = gate.queue.starts_with('/');
  std::error_code ignored;
  return std::filesystem::equivalent(
      is_absolute ? gate.queue : cat("/proc/", holder, "/cwd/", gate.queue), queue, ignored);
}

// The gates beside a running job say which one it is, also where its record may not be read.
std::set<pid_t> holders_of_gate(const std::string& queue, uint64_t job) {
  std::set<pid_t> out;
  const auto nobody = [](const Snapshot&) { return std::set<pid_t>(); };
  const Snapshot table = procfs::take_snapshot({}, nobody);
  for (const auto& [pid, process] : table.processes) {
    if (!process.descriptors) continue;
    for (const Descriptor& file : *process.descriptors) {
      if (file.content.empty()) continue;
      const auto gate = doctor::parse_gate_text(file.content);
      if (gate && is_gate_of(*gate, pid, queue, job)) out.insert(pid);
    }
  }
  return out;
}

std::set<pid_t> processes_of_job(std::string queue, uint64_t job) {
  while (queue.size() > 1 && queue.ends_with('/')) queue.pop_back();
  const std::string lock = cat(queue, "/nextseq.lock");
  const auto fd = sys::try_open(lock, O_RDONLY);
  if (!fd) {
    const int reason = errno;
    std::set<pid_t> holders = holders_of_gate(queue, job);
    if (holders.empty()) throw Error::from_errno(cat("open ", printable(lock)), reason);
    return holders;
  }
  const auto record = spool::read_run_record(fd->get());
  const std::string title = cat("job ", job, " of ", printable(queue));
  if (!record || record->ended) throw Error(cat(title, " is not running: nobody runs the queue"));
  const spool::HolderState state = spool::holder_state(*record);
  if (state != spool::HolderState::alive) {
    throw Error(
        cat(title, " is not running here: the queue was ", spool::holder_sentence(record, state)));
  }
  if (!record->job || record->job->number != job) {
    const std::string other =
        record->job ? cat("has job ", record->job->number, " in hand") : "has no job in hand";
    throw Error(cat(title, " is not running: process ", record->pid, " ", other));
  }
  return {record->pid};
}

// Who reads the pipes that our output goes to, and so on down.
std::set<pid_t> readers_of(const Snapshot& table, pid_t ourselves) {
  std::set<pid_t> out;
  std::vector<pid_t> open{ourselves};
  while (!open.empty()) {
    const Process* writer = table.find(open.back());
    open.pop_back();
    if (writer == nullptr || !writer->descriptors) continue;
    std::set<ino_t> pipes;
    for (const Descriptor& file : *writer->descriptors) {
      if (file.is_pipe() && file.writes && file.fd <= STDERR_FILENO) pipes.insert(file.inode);
    }
    for (const auto& [pid, process] : table.processes) {
      if (!process.descriptors) continue;
      const bool reads = std::ranges::any_of(*process.descriptors, [&](const Descriptor& file) {
        return file.fd == STDIN_FILENO && file.reads && !file.writes && pipes.contains(file.inode);
      });
      if (reads && pid != ourselves && out.insert(pid).second) open.push_back(pid);
    }
  }
  return out;
}

std::set<pid_t> ancestors_of(const Snapshot& table, pid_t pid) {
  std::set<pid_t> out;
  for (const Process* at = table.find(pid); at != nullptr; at = table.find(at->stat.parent)) {
    if (at->stat.parent <= 0 || !out.insert(at->stat.parent).second) break;
  }
  return out;
}

}  // namespace

Scope doctor_scope(const Arguments& arguments) {
  Scope scope;
  if (arguments.has("job")) {
    scope.pids = processes_of_job(arguments.text("queuedir"), *arguments.number("job"));
    return scope;
  }
  scope.all = arguments.has("all");
  for (const std::string& word : arguments.params()) {
    constexpr uint64_t kLargest = 1U << 22U;  // PID_MAX_LIMIT
    const uint64_t number = parse_u64(word).value_or(0);
    if (number == 0 || number > kLargest) {
      throw Error(cat("process ", printable(word), ": no such process"));
    }
    const pid_t pid = process_of(static_cast<pid_t>(number));
    if (const auto stat = procfs::read_stat(pid); stat && stat->kernel_thread) {
      throw Error(cat("process ", pid, " (", printable(stat->comm),
                      "): a thread of the kernel, which has no pipes"));
    }
    scope.pids.insert(pid);
  }
  if (!scope.all && scope.pids.empty()) {
    const auto ours = procfs::read_stat(::getpid());
    scope.session = ours ? ours->session : 0;
    if (scope.session <= 0) throw Error("the session of this process cannot be told; name a PID");
  }
  return scope;
}

std::set<pid_t> choose_others(const Scope& scope, const Snapshot& table, pid_t ourselves) {
  std::set<pid_t> out = doctor::choose(scope, table);
  std::set<pid_t> spectators = readers_of(table, ourselves);
  spectators.merge(ancestors_of(table, ourselves));
  for (const pid_t pid : spectators) {
    if (!scope.pids.contains(pid)) out.erase(pid);
  }
  out.erase(ourselves);
  return out;
}

Snapshot DoctorView::look(const Snapshot* earlier) {
  const pid_t ourselves = ::getpid();
  const auto choose = [&](const Snapshot& table) {
    looked_at_.merge(choose_others(scope_, table, ourselves));
    std::erase_if(looked_at_, [&](pid_t pid) { return table.find(pid) == nullptr; });
    return looked_at_;
  };
  Snapshot snapshot = procfs::take_snapshot({}, choose, earlier);
  snapshot.processes.erase(ourselves);
  return snapshot;
}

std::vector<doctor::ProcessId> DoctorView::named(const Snapshot& now) const {
  std::vector<doctor::ProcessId> out;
  for (const pid_t pid : scope_.pids) {
    if (const Process* process = now.find(pid)) out.push_back(process->id());
  }
  return out;
}

bool DoctorView::all_gone(const Snapshot& now) const {
  return !scope_.pids.empty() && named(now).empty();
}

Snapshot look_at_all() {
  return procfs::take_snapshot(
      {}, [](const Snapshot& table) { return doctor::choose({.all = true}, table); });
}

}  // namespace penstock::cli
