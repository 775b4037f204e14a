// flock(2), which fspl uses too: it belongs to the open file description, so a duplicate in another
// process holds it.
#pragma once

namespace penstock::sys {

// Takes the exclusive lock at once; false if somebody else has it.
bool try_lock(int fd);

}  // namespace penstock::sys
