// What the writer and the reader of snapshot files have in common.
#pragma once

#include <array>
#include <cstddef>

namespace penstock::procfs {

constexpr size_t kMaxSnapshotFile = size_t{64} << 20;  // bytes
constexpr int kSnapshotFileVersion = 1;

// In the order of FileKind.
constexpr auto kKindNames = std::to_array<const char*>(
    {"pipe", "fifo", "socket", "tty", "path", "memfd", "epoll", "other"});

}  // namespace penstock::procfs
