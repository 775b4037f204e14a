// Pipes: made close-on-exec, sized before anybody sees them, probed without waking anyone.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "sys/unique_fd.h"

namespace penstock::sys {

struct Pipe {
  UniqueFd read;
  UniqueFd write;

  static Pipe make();
};

// Capacity in bytes.
size_t pipe_size(int fd);
// Sets the capacity; false if refused (over the user's limit, or more bytes queued than fit). Never
// on a pipe that somebody already sleeps on: see the lost wakeup in docs/diagnosis.
bool set_pipe_size(int fd, size_t bytes);
// /proc/sys/fs/pipe-max-size; 1 MiB where that cannot be read.
size_t largest_pipe_size();

// A description of our own for the pipe `inode` that another process has at `fd`, not blocking.
// While it is held it counts as a reader or writer more, so: for one call. Nothing, and errno tells
// why, if that process has another file there now, or we may not; only a pipe is ever opened.
enum class PipeSide { read, write };
std::optional<UniqueFd> reopen_pipe_of(pid_t pid, int fd, ino_t inode, PipeSide side);

ino_t inode_of(int fd);
// Whether `fd` is a pipe or FIFO.
bool is_pipe(int fd);
// Bytes queued, for people and progress; "full" is another question (slots): poll tells.
size_t bytes_queued(int fd);

// What poll(2) says at once about `fd`.
struct PollState {
  bool readable = false;
  bool writable = false;
  bool hung_up = false;  // read end: no writer is left anywhere, even while data is queued
  bool broken = false;   // write end: no reader is left anywhere
};
PollState poll_now(int fd);

}  // namespace penstock::sys
