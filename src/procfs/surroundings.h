// What is not in the directory of any process: the machine, locks, sockets, cgroups.
#pragma once

#include <set>
#include <string>

#include "procfs/capture.h"
#include "procfs/reader.h"
#include "procfs/recorded.h"

namespace penstock::procfs {

Machine read_machine(Reader& reader, int proc, const Source& source, const Recorded& recorded);

// Fills in locks, sockets and cgroups as far as they concern processes that were looked at.
// `other_than_tcp`: sockets for which no table of TCP need be read.
void read_surroundings(Reader& reader, int proc, const Source& source,
                       const std::set<ino_t>& other_than_tcp, Snapshot& snapshot);

}  // namespace penstock::procfs
