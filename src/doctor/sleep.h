// What one thread sleeps in, by one snapshot: its sleep name (wchan), its system call and the
// descriptors of its process, whichever of these are told.
#pragma once

#include "doctor/scene.h"

namespace penstock::doctor {

// The scene is asked for its pipes only. `steady` and `idle_s` are left to the caller, who knows
// the other snapshot.
Wait sleep_of(const Scene& scene, const procfs::Snapshot& snapshot, const Process& process,
              const procfs::Task& task);

}  // namespace penstock::doctor
