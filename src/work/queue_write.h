// Putting what comes on standard input into a queue.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace penstock::work {

struct QueueWriteSettings {
  bool check_header = false;  // refuse what does not begin with a plain header
  bool allow_empty = false;   // as fspl does (D06)
  // The job's, for the file's name; with check_header the header must say the same.
  std::optional<uint64_t> number;
};

// Returns the job file's name. Throws Error; then there is no new job, and nothing is left behind.
std::string queue_write(const std::string& queue_dir, const QueueWriteSettings& settings);

}  // namespace penstock::work
