// A pipe is asked through an end of our own, which counts as one more while we hold it: a write end
// would keep end-of-file from a reader, a read end would keep SIGPIPE from a writer, and the first
// end of its kind would bring a dead pipe back to life. So:
//
// - Where a writer is known (a descriptor table shows him), a write end is opened through his own
//   descriptor, and it alone answers everything: no read end is ever opened there, so no SIGPIPE
//   can be late. End-of-file is late by what three calls take, if the last writer leaves just then;
//   the kernel wakes the readers when our end is closed.
// - Where only readers are known, a read end is opened through one of theirs and tells whether
//   there is any writer at all (POLLHUP). A write end is opened after that, and only if there is:
//   for a pipe without a writer, we would be the one whose leaving ends the stream once more.
// - A named pipe is opened in the direction only in which the descriptor that leads to it is open,
//   or we would be the partner that a sleeping open(2) waits for.
//
// What a descriptor leads to may change at any moment, and opening something else (a tape, a
// terminal) could do things. So it is pinned first by O_PATH, which opens nothing, and what was
// pinned is looked at.
#include "procfs/probe.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <system_error>

#include "base/text.h"
#include "procfs/reader.h"
#include "sys/pipe.h"

namespace penstock::procfs {

namespace {

constexpr size_t kEndsKept = 8;

using End = PipeHolders::End;

// What holds the inode, but no end of it.
sys::UniqueFd pin(int proc, const End& end, ino_t pipe, PipeFacts& facts) {
  const Path path = Path().add(end.pid).add("/fd/").add(end.fd);
  sys::UniqueFd pinned(::openat(proc, path.c_str(), O_PATH | O_CLOEXEC));
  struct stat status {};
  if (!pinned || ::fstat(pinned.get(), &status) != 0) return {};
  if (!S_ISFIFO(status.st_mode) || status.st_ino != pipe) return {};
  facts.owner = status.st_uid;
  return pinned;
}

sys::UniqueFd open_end(const sys::UniqueFd& pinned, int direction) {
  const Path path = Path("/proc/self/fd/").add(pinned.get());
  return sys::UniqueFd(::open(path.c_str(), direction | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
}

std::string reason(int error, const PipeFacts& facts) {
  if ((error == EACCES || error == EPERM) && facts.owner && *facts.owner != ::geteuid()) {
    return cat("owner uid ", *facts.owner);
  }
  return std::generic_category().message(error);
}

void ask_sizes(int fd, PipeFacts& facts) {
  const int capacity = ::fcntl(fd, F_GETPIPE_SZ);
  if (capacity >= 0) facts.capacity = static_cast<size_t>(capacity);
  facts.queued = sys::bytes_queued(fd);
}

enum class Answer { told, refused, gone };

Answer ask_write_end(const sys::UniqueFd& pinned, PipeFacts& facts) {
  {
    const sys::UniqueFd fd = open_end(pinned, O_WRONLY);
    if (!fd && errno == ENXIO) {  // a named pipe says so already here
      facts.has_reader = false;
      return Answer::told;
    }
    if (!fd) {
      facts.refused = reason(errno, facts);
      return Answer::refused;
    }
    const sys::PollState state = sys::poll_now(fd.get());
    ask_sizes(fd.get(), facts);
    facts.writable = state.writable;
    facts.has_reader = !state.broken;
  }
  return Answer::told;
}

Answer ask_read_end(const sys::UniqueFd& pinned, bool is_fifo, PipeFacts& facts) {
  const sys::UniqueFd fd = open_end(pinned, O_RDONLY);
  if (!fd) {
    facts.refused = reason(errno, facts);
    return Answer::refused;
  }
  const bool hung_up = sys::poll_now(fd.get()).hung_up;
  ask_sizes(fd.get(), facts);
  // A new reader of a named pipe is not told of writers that left before it came.
  if (hung_up || !is_fifo) {
    facts.has_writer = !hung_up;
  } else {
    facts.refused = "a named pipe does not tell whether it has writers";
  }
  return Answer::told;
}

Answer ask_as_writer(int proc, ino_t pipe, const PipeHolders& holders, PipeFacts& facts) {
  for (const End& end : holders.writers) {
    const sys::UniqueFd pinned = pin(proc, end, pipe, facts);
    if (!pinned) continue;
    facts.has_writer = true;
    return ask_write_end(pinned, facts);
  }
  return Answer::gone;
}

Answer ask_as_reader(int proc, ino_t pipe, const PipeHolders& holders, PipeFacts& facts) {
  for (const End& end : holders.readers) {
    const sys::UniqueFd pinned = pin(proc, end, pipe, facts);
    if (!pinned) continue;
    facts.has_reader = true;
    const Answer answer = ask_read_end(pinned, holders.is_fifo, facts);
    if (answer != Answer::told || holders.is_fifo || facts.has_writer != true) return answer;
    return ask_write_end(pinned, facts);
  }
  return Answer::gone;
}

}  // namespace

std::unordered_map<ino_t, PipeHolders> holders_of(const Snapshot& snapshot,
                                                  const std::set<ino_t>& pipes) {
  std::unordered_map<ino_t, PipeHolders> all;
  for (const auto& [pid, process] : snapshot.processes) {
    if (!process.descriptors) continue;
    for (const Descriptor& descriptor : *process.descriptors) {
      if (!descriptor.is_pipe() || !pipes.contains(descriptor.inode)) continue;
      PipeHolders& holders = all[descriptor.inode];
      holders.is_fifo = descriptor.kind == FileKind::fifo;
      const End end{.pid = pid, .fd = descriptor.fd};
      if (descriptor.reads && holders.readers.size() < kEndsKept) holders.readers.push_back(end);
      if (descriptor.writes && holders.writers.size() < kEndsKept) holders.writers.push_back(end);
    }
  }
  return all;
}

PipeFacts probe(int proc, ino_t pipe, const PipeHolders& holders) {
  PipeFacts facts{.inode = pipe};
  Answer answer = ask_as_writer(proc, pipe, holders, facts);
  if (answer == Answer::gone) answer = ask_as_reader(proc, pipe, holders, facts);
  if (answer == Answer::gone) facts.refused = PipeFacts::kNobodyLeft;
  return facts;
}

}  // namespace penstock::procfs
