#include "procfs/thread_state.h"

#include <fcntl.h>

#include "procfs/process_files.h"
#include "procfs/reader.h"

namespace penstock::procfs {

std::optional<ThreadState> read_thread_state(pid_t pid, pid_t tid) {
  const sys::UniqueFd place =
      Reader::place(AT_FDCWD, Path("/proc/").add(pid).add("/task/").add(tid).c_str());
  if (!place) return std::nullopt;
  Reader reader;
  const auto status_text = reader.read(place.get(), "status");
  if (!status_text) return std::nullopt;
  const StatusFile status = parse_status(*status_text);
  ThreadState thread{.state = status.state,
                     .wchan = std::nullopt,
                     .voluntary_switches = status.voluntary_switches};
  if (const auto wchan = reader.read(place.get(), "wchan")) thread.wchan = parse_wchan(*wchan);
  return thread;
}

}  // namespace penstock::procfs
