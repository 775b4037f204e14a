// Which pipes a second snapshot must ask again.
#pragma once

#include <sys/types.h>

#include <set>
#include <unordered_set>

#include "procfs/snapshot.h"

namespace penstock::procfs {

// Pipes that may have changed since `earlier`; `resting` are those who have not run since. A pipe
// is as it was if only sleepers hold it, and held it before, if nobody sleeps on it (whoever reads
// or writes it may be somebody whom we cannot see), and if all that was told of it then is
// explained by them.
std::unordered_set<ino_t> stirred_pipes(const Snapshot& earlier, const Snapshot& now,
                                        const std::set<pid_t>& resting);

}  // namespace penstock::procfs
