// Draining a queue as its jobs arrive: `queue-process --follow`.
#pragma once

#include <chrono>

#include "work/drain.h"

namespace penstock::work {

// Runs what is there, waits for more, and so on, until a signal comes (which the result has) or a
// run fails for good: RunFailure or Error. A failed job is no such end if it is to be tried again
// after a delay. Between the runs nobody holds the lock: other programs may use the queue. Looks at
// it at least once in `rescan`, where the kernel tells of nothing (NFS). `settings.told` is its
// own.
DrainEnd follow(DrainSettings settings, std::chrono::seconds rescan);

}  // namespace penstock::work
