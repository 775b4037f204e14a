// Processes seen from outside: pidfds, waiting by pid, signals that cannot hit a stranger.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "sys/exit_status.h"
#include "sys/unique_fd.h"

namespace penstock::sys {

// Nothing if there is no such process. A pidfd is readable once the whole process, all its threads,
// is dead.
std::optional<UniqueFd> open_pidfd(pid_t pid);

// Whether the process behind `pidfd` is dead (reaped or not).
bool is_dead(int pidfd);

enum class Delivery { sent, gone, refused };
// Sends `signal` to the process behind `pidfd`; `refused` is EPERM.
Delivery send_signal(int pidfd, int signal);
// To all members of a process group, as far as we may; the caller knows that it is still the one he
// means.
void signal_group(pid_t group, int signal);

struct Reaped {
  pid_t pid = 0;
  ExitStatus status = ExitStatus::exited(0);
};
// Reaps the child `pid` if it is dead; nothing while it runs.
std::optional<Reaped> reap(pid_t pid);
// A dead child of ours, left unreaped; nothing if there is none. Goes through all of them.
std::optional<pid_t> peek_dead_child();
// How the dead child `pid` ended, left unreaped; nothing while it runs.
std::optional<ExitStatus> peek_status(pid_t pid);

// Orphaned descendants become our children rather than init's.
void become_subreaper();
// How many descriptors we may have, as it is now; restore() puts it back, as far as we may, where
// somebody (prlimit) has taken it away since.
class DescriptorLimit {
 public:
  DescriptorLimit();
  void restore() const;

 private:
  rlimit limit_{};
};
// Gives back the pages of programs and libraries that only the start needed; what is used again
// comes back from the page cache. A process that has little more than these is half as large then.
void drop_startup_pages();
// The name that ps and pkill see, cut to 15 bytes.
void set_process_name(const char* name);
// Whether this process has a controlling terminal.
bool has_terminal();
// When the process started, in clock ticks since boot (field 22 of /proc/PID/stat): with the pid it
// names one process for as long as the machine is up. Nothing if there is no such process, or only
// its unreaped remains.
std::optional<uint64_t> start_time_of(pid_t pid);
// Names this boot of this machine; empty where the kernel does not tell.
std::string boot_id();
// "other-host", for a record that may be read elsewhere.
std::string host_name();

}  // namespace penstock::sys
