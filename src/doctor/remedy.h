// What may be done about a finding: described here, applied elsewhere (doctor/healer.h), and only
// on order.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "procfs/process_table.h"

namespace penstock::doctor {

// The ladder of docs/diagnosis/rules.md, 0.4.
enum class Step : uint8_t {
  wait,        // H0
  nudge,       // H1: the pipe is given the size it has; wakes one sleeping writer, touches nothing
  close_own,   // H2: an end of our own; never applied by this program, never a gate
  end_holder,  // H3: TERM to a process that holds an end
  stop_cont,   // H4: SIGSTOP, SIGCONT; short writes; never zfs, never btrfs
  end_all,     // H5: the whole pipeline; the job stays and is tried again
};

struct Remedy {
  Step step = Step::wait;
  procfs::ProcessId target;   // whom it is done to; for a nudge: through whose descriptor
  std::optional<ino_t> pipe;  // for a nudge
  std::vector<procfs::ProcessId> others;  // for H5: the rest of those that are ended
  std::string command;                    // what to type
  std::string risk;                       // what may go wrong, in a phrase
  bool safe = false;                      // nothing can be lost by it
};

std::string_view name_of(Step step);  // "H0" to "H5"
std::optional<Step> step_named(std::string_view name);

}  // namespace penstock::doctor
