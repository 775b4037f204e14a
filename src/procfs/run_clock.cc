#include "procfs/run_clock.h"

#include <fcntl.h>
#include <sched.h>

#include <future>
#include <system_error>
#include <thread>

#include "procfs/process_files.h"
#include "sys/signals.h"

namespace penstock::procfs {

namespace {

using Milliseconds = std::chrono::duration<double, std::milli>;

Milliseconds monotonic() {
  return std::chrono::steady_clock::now().time_since_epoch();
}

cpu_set_t only(size_t processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  return set;
}

// Whether we may run there: somebody may want us elsewhere, perhaps for the sake of whoever has
// that one for himself.
bool is_ours(int processor) {
  cpu_set_t allowed;
  if (processor < 0 || processor >= CPU_SETSIZE) return false;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return false;
  return CPU_ISSET(static_cast<size_t>(processor), &allowed);
}

// When the calling thread began to run: just now, or at the last tick.
std::optional<Milliseconds> own_start(const char* file, int proc) {
  Reader reader;
  const auto text = reader.read(proc, file);
  const auto start = text ? parse_exec_start(*text) : std::nullopt;
  return start ? std::optional(Milliseconds(*start)) : std::nullopt;
}

std::optional<Milliseconds> ahead_of_monotonic(int processor) {
  const cpu_set_t there = only(static_cast<size_t>(processor));
  if (::sched_setaffinity(0, sizeof there, &there) != 0) return std::nullopt;
  const auto shows = own_start("/proc/thread-self/sched", AT_FDCWD);
  return shows ? std::optional(*shows - monotonic()) : std::nullopt;
}

// In a thread of its own, which may be sent to a processor without any trace in the caller. One
// where nobody but a real-time thread ever runs gives no answer.
std::optional<Milliseconds> visit(int processor) {
  constexpr auto kPatience = std::chrono::milliseconds(200);
  std::packaged_task<std::optional<Milliseconds>()> task(
      [processor] { return ahead_of_monotonic(processor); });
  auto answer = task.get_future();
  try {
    const sys::SignalsHeld held;  // the thread inherits that: no handler of our host runs in it
    std::thread(std::move(task)).detach();
  } catch (const std::system_error&) {
    return std::nullopt;
  }
  if (answer.wait_for(kPatience) != std::future_status::ready) return std::nullopt;
  return answer.get();
}

}  // namespace

std::optional<RunClock::Milliseconds> RunClock::now_on(int processor) {
  if (origin_ == Origin::recorded) return own_start("self/sched", proc_);
  const auto [place, is_new] = ahead_.try_emplace(processor);
  if (is_new && is_ours(processor)) place->second = visit(processor);
  if (!place->second) return std::nullopt;
  return monotonic() + *place->second;
}

}  // namespace penstock::procfs
