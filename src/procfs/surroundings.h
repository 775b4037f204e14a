// What is not in the directory of any process: the machine, locks, sockets, cgroups.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "procfs/capture.h"
#include "procfs/reader.h"
#include "procfs/recorded.h"

namespace penstock::procfs {

Machine read_machine(Reader& reader, int proc, const Source& source, const Recorded& recorded);

// Fills in locks, sockets and cgroups as far as they concern processes that were looked at.
// `other_than_tcp`: sockets for which no table of TCP need be read. `locks`: whether those are
// asked for; the kernel holds up every lock of the machine for several milliseconds to tell.
enum class Locks : uint8_t { read, left_out };
void read_surroundings(Reader& reader, int proc, const Source& source,
                       const std::set<ino_t>& other_than_tcp, Locks locks, Snapshot& snapshot);

}  // namespace penstock::procfs
