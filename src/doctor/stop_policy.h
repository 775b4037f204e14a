// R46 as a question: who must never be stopped, traced or interrupted.
#pragma once

#include "procfs/snapshot.h"

namespace penstock::doctor {

// zfs and btrfs do their reading and writing inside one ioctl: a stop or a tracer cuts it short,
// and the stream is broken. By name, whatever it is doing at the moment: what it does next is not
// ours to know.
bool forbids_stop(const procfs::Process& process);

}  // namespace penstock::doctor
