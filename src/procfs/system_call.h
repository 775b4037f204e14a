// What /proc/PID/task/TID/syscall says: a number and its arguments, made sense of for one machine.
#pragma once

#include <optional>
#include <string_view>

#include "procfs/snapshot.h"

namespace penstock::procfs {

// Which table the numbers are from: x86_64, aarch64 (which other new machines share), or neither,
// in which case every call is `other`.
enum class CallTable : uint8_t { x86_64, generic, unknown };
CallTable call_table_of(std::string_view architecture);

std::optional<SyscallState> parse_syscall(std::string_view text, CallTable table);

// Which argument of an open(2) or one of its relatives is the path; nothing for another call.
std::optional<size_t> path_argument(const SyscallState& state, CallTable table);
// Whether this call changes the address space, so that whoever reads the process's memory (as its
// arguments are) would wait as long as it sleeps.
bool changes_memory(const SyscallState& state, CallTable table);

}  // namespace penstock::procfs
