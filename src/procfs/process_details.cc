#include "procfs/process_details.h"

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "procfs/system_files.h"

namespace penstock::procfs {

namespace {

constexpr size_t kMaxTasks = 8192;

Path in(Path folder, std::string_view name) {
  return folder.add(name);
}

// In a way that a switch to it would have to end.
bool slept(const Task& task) {
  const bool state_says_so = task.state == 'S' || task.state == 'D' || task.state == 'T';
  return state_says_so && task.voluntary_switches && task.involuntary_switches &&
         !(task.syscall && task.syscall->running);
}

bool sleeps_in(const Task& task, std::string_view function) {
  return task.wchan && task.wchan->find(function) != std::string::npos;
}

// The text at `address` of another process, up to its NUL; nothing if we may not, or if it is not
// there. Page by page, as the next one may not exist.
std::optional<std::string> text_at(pid_t tid, uint64_t address, size_t page_size) {
  constexpr size_t kLongestPath = 4096;
  std::string text;
  std::array<char, 4096> piece{};
  while (text.size() < kLongestPath) {
    const size_t to_page_end = page_size - static_cast<size_t>(address % page_size);
    const size_t wanted = std::min({piece.size(), to_page_end, kLongestPath - text.size()});
    iovec local{.iov_base = piece.data(), .iov_len = wanted};
    // NOLINTNEXTLINE(performance-no-int-to-ptr): an address in another process
    iovec remote{.iov_base = reinterpret_cast<void*>(address), .iov_len = wanted};
    const ssize_t count = process_vm_readv(tid, &local, 1, &remote, 1, 0);
    if (count <= 0) return std::nullopt;
    const std::string_view got(piece.data(), static_cast<size_t>(count));
    const size_t end = got.find('\0');
    text += got.substr(0, end);
    if (end != std::string_view::npos) return text;
    address += got.size();
  }
  return text;
}

void set_stat(Process& process, StatLine line) {
  process.stat = std::move(line.stat);
  process.tty = line.tty;
  process.foreground_group = line.foreground_group;
  process.cpu_ticks = line.cpu_ticks;
}

}  // namespace

ProcessReader::ProcessReader(Reader& reader, int proc, Origin origin, const Machine& machine,
                             const Snapshot* earlier, double now_s)
    : reader_(reader),
      proc_(proc),
      origin_(origin),
      machine_(machine),
      earlier_(earlier),
      now_s_(now_s),
      calls_(call_table_of(machine.architecture)),
      descriptors_(reader, proc, origin),
      run_clock_(std::in_place, proc, origin) {}

std::optional<StatLine> ProcessReader::read_stat(const ProcessPlace& place) {
  const auto text = reader_.read(place.base, in(place.top, "stat").c_str());
  if (!text) return std::nullopt;
  return parse_stat_line(*text);
}

// A process whose first thread has ended looks like a zombie from outside, and shows no
// descriptors; its other threads go on. Gives the state that is to be shown.
char ProcessReader::find_home(ProcessPlace& place, char state, int threads) {
  if (state != 'Z' || threads < 2) return state;
  if (!reader_.list_numbers(place.base, in(place.top, "task").c_str(), tids_)) return state;
  for (const int tid : tids_) {
    const Path home = in(place.top, "task/").add(tid).add("/");
    const auto text = reader_.read(place.base, in(home, "stat").c_str());
    const auto thread = text ? parse_stat_line(*text) : std::nullopt;
    if (!thread || thread->stat.state == 'Z' || thread->stat.state == 'X') continue;
    place.home = home;
    return thread->stat.state;
  }
  return state;
}

std::optional<int> ProcessReader::exit_status(const ProcessPlace& place, const StatLine& line) {
  if (line.stat.state != 'Z' && line.stat.state != 'X') return std::nullopt;
  if (line.exit_code != 0 || machine_.looker == 0) return line.exit_code;
  // 0 is also what others are told.
  const auto text = reader_.read(place.base, in(place.top, "status").c_str());
  if (!text || parse_status(*text).user != machine_.looker) return std::nullopt;
  return 0;
}

// By its line of the process table it may have slept since the earlier snapshot: then it is as it
// was there, until confirm_rest() has asked each of its threads.
std::optional<Process> ProcessReader::suppose_rest(const StatLine& line) const {
  if (earlier_ == nullptr) return std::nullopt;
  const Process* then = earlier_->find({.pid = line.stat.pid, .start_time = line.stat.start_time});
  if (then == nullptr || !then->looked_at || then->tasks.empty() || then->is_zombie()) {
    return std::nullopt;
  }
  if (static_cast<size_t>(line.threads) != then->tasks.size() ||
      line.stat.state != then->stat.state || line.cpu_ticks != then->cpu_ticks ||
      !std::ranges::all_of(then->tasks, slept)) {
    return std::nullopt;
  }
  Process process = *then;
  set_stat(process, line);
  return process;
}

// Where no thread has been switched to since the earlier snapshot, the process is as it was: a
// sleeper's system call, his table of descriptors and his counters are changed by nobody else, and
// reading them is most of what a snapshot costs. What others can change is read anew: signals, the
// tracer, the text of gates; and where the earlier snapshot had taken things over itself, the flags
// of what he shares and the cgroup.
//
// Not seen: a whole table that is shared between processes (clone(2)'s CLONE_FILES without
// CLONE_THREAD); and whoever was woken and is this very moment falling asleep again, as the kernel
// counts a switch when it is over.
bool ProcessReader::confirm_rest(Process& process) {
  const ProcessPlace place = ProcessPlace::below(proc_, process.stat.pid);
  for (const Task& task : process.tasks) {
    const bool leads = task.tid == process.stat.pid;
    const Path folder = leads ? place.top : in(place.top, "task/").add(task.tid).add("/");
    const auto text = reader_.read(place.base, in(folder, "status").c_str());
    if (!text) return false;
    const StatusFile status = parse_status(*text);
    if (status.state != task.state || status.voluntary_switches != task.voluntary_switches ||
        status.involuntary_switches != task.involuntary_switches) {
      return false;
    }
    if (leads) add_status(process, status);
  }
  if (process.descriptors) descriptors_.read_gates(place, *process.descriptors);
  if (earlier_->builds_on_earlier) {
    // What was read an interval ago is news enough; but not from look to look for ever.
    if (process.descriptors && !descriptors_.refresh(place, *process.descriptors)) return false;
    add_cgroup(place, process);
  }
  for (Task& task : process.tasks) {
    if (task.idle_s) *task.idle_s += now_s_ - earlier_->taken_s;
  }
  return process.looked_at = true;
}

bool ProcessReader::read_descriptors(Process& process) {
  process.descriptors = descriptors_.read(ProcessPlace::below(proc_, process.stat.pid));
  return process.descriptors || is_still_there(process);
}

// It may have ended since its line was read: one that is gone keeps no end of a pipe from us.
bool ProcessReader::is_still_there(Process& process) {
  const auto line = read_stat(ProcessPlace::below(proc_, process.stat.pid));
  if (!line || line->stat.start_time != process.stat.start_time) return false;
  if (line->stat.state == 'Z' || line->stat.state == 'X') process.stat.state = line->stat.state;
  return true;
}

void ProcessReader::forget_details(Process& process) {
  Process bare{.stat = std::move(process.stat),
               .tty = process.tty,
               .foreground_group = process.foreground_group,
               .cpu_ticks = process.cpu_ticks,
               .exit_status = process.exit_status,
               .descriptors = std::move(process.descriptors)};
  if (bare.descriptors) DescriptorReader::strip(*bare.descriptors);
  process = std::move(bare);
}

std::optional<ProcessReader::Entry> ProcessReader::read_entry(pid_t pid) {
  ProcessPlace place = ProcessPlace::below(proc_, pid);
  const auto line = read_stat(place);
  if (!line || line->stat.pid != pid) return std::nullopt;
  if (auto process = suppose_rest(*line)) {
    process->looked_at = false;  // until somebody asks
    return Entry{.process = std::move(*process), .may_rest = true};
  }
  Entry entry;
  Process& process = entry.process;
  set_stat(process, *line);
  if (process.stat.kernel_thread) {
    process.descriptors.emplace();
    return entry;
  }
  process.stat.state = find_home(place, line->stat.state, line->threads);
  if (process.is_zombie()) {
    process.exit_status = exit_status(place, *line);
    process.descriptors.emplace();
    return entry;
  }
  process.descriptors = descriptors_.read(place);
  if (!process.descriptors && !is_still_there(process)) return std::nullopt;
  return entry;
}

bool ProcessReader::read_details(Process& process) {
  auto pinned = ProcessPlace::pin(proc_, process.stat.pid);
  if (!pinned) return false;
  ProcessPlace& place = *pinned;
  StatusFile status;
  process.tasks = read_tasks(place, process, status);
  add_status(process, status);
  find_home(place, status.state, status.threads);
  // Once more: what he holds must not be older than his sleep, or it could have changed before it.
  if (process.descriptors) process.descriptors = descriptors_.read(place);
  if (process.descriptors) descriptors_.complete(place, *process.descriptors);
  add_files(place, process);
  add_memory(place, process);
  process.looked_at = true;

  // Whatever was read above may have been another one's, had the number changed hands.
  auto line = read_stat(place);
  if (!line || line->stat.pid != process.stat.pid) return false;
  if (line->stat.start_time != process.stat.start_time) return false;
  line->stat.state = find_home(place, line->stat.state, line->threads);
  set_stat(process, *line);
  if (process.is_zombie()) {
    process.exit_status = exit_status(place, *line);
    process.descriptors.emplace();
  }
  return true;
}

std::vector<Task> ProcessReader::read_tasks(const ProcessPlace& place, const Process& process,
                                            StatusFile& first_status) {
  std::vector<Task> tasks;
  const pid_t pid = process.stat.pid;
  if (auto task = read_task(place, Path(), pid, first_status)) {
    task->comm = process.stat.comm;
    tasks.push_back(std::move(*task));
  }
  if (first_status.threads < 2) return tasks;
  if (!reader_.list_numbers(place.base, "task", tids_)) return tasks;
  if (tids_.size() > kMaxTasks) tids_.resize(kMaxTasks);
  for (const int tid : tids_) {
    StatusFile status;
    if (tid == pid) continue;
    auto task = read_task(place, Path("task/").add(tid).add("/"), tid, status);
    if (task) tasks.push_back(std::move(*task));
  }
  return tasks;
}

std::optional<Task> ProcessReader::read_task(const ProcessPlace& place, const Path& folder,
                                             pid_t tid, StatusFile& status) {
  const auto text = reader_.read(place.base, in(folder, "status").c_str());
  if (!text) return std::nullopt;
  status = parse_status(*text);
  Task task{.tid = tid, .comm = status.comm, .state = status.state};
  task.voluntary_switches = status.voluntary_switches;
  task.involuntary_switches = status.involuntary_switches;
  add_sleep(place, folder, task);
  return task;
}

void ProcessReader::add_sleep(const ProcessPlace& place, const Path& folder, Task& task) {
  const int directory = place.base;
  errno = 0;
  const auto call = reader_.read(directory, in(folder, "syscall").c_str());
  if (call) task.syscall = parse_syscall(*call, calls_);
  if (call || errno == EACCES || errno == EPERM) saw_syscall_file_ = true;
  if (task.syscall && task.syscall->running) return;
  if (const auto text = reader_.read(directory, in(folder, "wchan").c_str())) {
    task.wchan = parse_wchan(*text);
  }
  task.opening = read_opening(place, folder, task);
  if (run_clock_) task.idle_s = read_idle(place, folder);
}

std::optional<double> ProcessReader::read_idle(const ProcessPlace& place, const Path& folder) {
  const auto sched = reader_.read(place.base, in(folder, "sched").c_str());
  const auto ran = sched ? parse_exec_start(*sched) : std::nullopt;
  // 0: it has never run since it was made known to this clock.
  if (!ran || *ran == 0) return std::nullopt;
  const auto text = reader_.read(place.base, in(folder, "stat").c_str());
  const auto line = text ? parse_stat_line(*text) : std::nullopt;
  const auto now = line ? run_clock_->now_on(line->processor) : std::nullopt;
  if (!now) return std::nullopt;
  const double idle = (now->count() - *ran) / 1000;
  if (idle < -1 || idle > machine_.uptime_s + 1) return std::nullopt;
  return std::max(idle, 0.0);
}

std::optional<std::string> ProcessReader::read_opening(const ProcessPlace& place,
                                                       const Path& folder, const Task& task) {
  const bool waits = sleeps_in(task, "wait_for_partner") || sleeps_in(task, "fifo_open") ||
                     (!task.wchan && task.syscall && task.syscall->call == Call::open);
  if (!waits) return std::nullopt;
  if (origin_ == Origin::recorded) {
    const auto text = reader_.read(place.base, in(folder, "opening").c_str());
    return text ? std::optional<std::string>(*text) : std::nullopt;
  }
  if (!task.syscall) return std::nullopt;
  const auto argument = path_argument(*task.syscall, calls_);
  if (!argument) return std::nullopt;
  return text_at(task.tid, task.syscall->arguments.at(*argument), machine_.page_size);
}

void ProcessReader::add_status(Process& process, const StatusFile& status) {
  process.user = status.user;
  process.tracer = status.tracer;
  process.signals_pending = status.pending;
  process.signals_blocked = status.blocked;
  process.signals_ignored = status.ignored;
  process.signals_caught = status.caught;
}

void ProcessReader::add_files(const ProcessPlace& place, Process& process) {
  const int directory = place.base;
  if (const auto text = reader_.read(directory, "io")) process.io = parse_io(*text);
  if (const auto text = reader_.link(directory, "exe")) process.exe = *text;
  add_cgroup(place, process);
}

void ProcessReader::add_cgroup(const ProcessPlace& place, Process& process) {
  const auto text = reader_.read(place.base, in(place.top, "cgroup").c_str());
  if (!text) return;
  CgroupPaths paths = parse_cgroup(*text);
  // With both hierarchies, the one where the process is in a group of its own; containers freeze
  // by the old one there.
  const bool by_freezer = paths.freezer && (*paths.freezer != "/" || !paths.unified);
  process.cgroup = by_freezer ? std::move(paths.freezer) : std::move(paths.unified);
}

// Arguments and environment lie in the process's own memory. Whoever asks for them waits while one
// of its threads is stuck in changing that memory, for instance in a mmap of a dead file server's
// file, as ps does then.
bool ProcessReader::may_read_memory(const std::vector<Task>& tasks) const {
  return std::ranges::none_of(tasks, [&](const Task& task) {
    if (task.state != 'D') return false;
    if (sleeps_in(task, "rwsem") || sleeps_in(task, "mmap")) return true;
    return task.syscall && changes_memory(*task.syscall, calls_);
  });
}

void ProcessReader::add_memory(const ProcessPlace& place, Process& process) {
  if (process.stat.kernel_thread || process.is_zombie() || !may_read_memory(process.tasks)) return;
  const int directory = place.base;
  if (const auto text = reader_.read(directory, "cmdline")) {
    process.arguments = parse_arguments(*text);
  }
  // Only these matter to any rule, and only there.
  if (process.stat.comm.find("zfs") == std::string::npos) return;
  if (const auto text = reader_.read_whole(directory, "environ", 1 << 20)) {
    process.environment_names = parse_environment(*text, {"ZFS_SET_PIPE_MAX", "ZFS_NO_PIPE_MAX"});
  }
}

}  // namespace penstock::procfs
