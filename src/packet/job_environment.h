// What a job tells its command, and queue-info and stdin-info tell people: the FSPL_ variables.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "packet/metadata.h"

namespace penstock::packet {

// Where the job lies, if it lies in a queue.
struct JobFile {
  // Within jobs/.
  std::string file_name;
  // As the user gave it: "q/" stays "q/", and makes a full path of "q//jobs/…".
  std::string queue_dir;
};

// In the order in which they are printed. Names and values are raw bytes; a name may come twice,
// and both count.
std::vector<Variable> job_environment(const Metadata& metadata,
                                      const std::optional<JobFile>& file = std::nullopt);

}  // namespace penstock::packet
