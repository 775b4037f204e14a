// Applies a remedy, on order only. Each is checked again right before (the same process, the same
// pipe behind the same descriptor, the wait unmoved), refused in a sentence if anything has
// changed, and its effect is looked for afterwards.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>

#include "doctor/finding.h"
#include "procfs/snapshot.h"

namespace penstock::doctor {

struct HealResult {
  bool applied = false;   // something was done
  bool verified = false;  // and what it was meant to bring about was seen
  std::string sentence;   // "zstdcat 4710 was woken: pipe 81234 was given the size it has"
};

// `before` and `now` are the snapshots in which `finding` was found; `now` is what the process must
// still look like. Blocks for at most 2 s (H4: 4 s). Never throws for what the process did
// meanwhile.
//
// H0 does nothing, H2 is never applied. H1 is refused without a sleeping writer; H4 on zfs, btrfs
// (R46) and on who does not sleep on a pipe; anything whose target has changed since `now`.
HealResult heal(const Finding& finding, const Remedy& remedy, const procfs::Snapshot& before,
                const procfs::Snapshot& now);

// The bare nudge (H1): gives `pipe` the size it has, through whichever descriptor `through` has on
// it. It wakes one sleeping writer and does nothing else, to a healthy pipeline neither. False,
// with the reason in `why`, if that process is another one now, has no such pipe, or may not be
// asked.
bool nudge(const procfs::ProcessId& through, ino_t pipe, std::string& why);

}  // namespace penstock::doctor
