// Who besides us could put, change or replace what a queue's jobs are made of: queue-check. Looks
// at owners, modes and kinds of names only; opens no file and changes nothing.
#pragma once

#include <string>
#include <vector>

namespace penstock::work {

struct QueueWarning {
  enum class Kind {
    owner,      // it belongs to neither us nor root
    writable,   // others may write it, or add, replace and remove names in it
    readable,   // others may read what is confidential
    link,       // a symbolic link, or a file with other names elsewhere
    special,    // a FIFO, a socket, a device, a directory
    temporary,  // half a file that a killed writer has left
  };
  Kind kind = Kind::owner;
  std::string path;
  std::string reason;  // "belongs to uid 1000": a predicate
};
const char* warning_name(QueueWarning::Kind kind);

// By place: above the queue, the queue, its own files, jobs, quarantine. Throws Error where there
// is no queue or it cannot be looked at.
std::vector<QueueWarning> check_queue(const std::string& queue_dir);

}  // namespace penstock::work
