#include "packet/job_environment.h"

#include "base/text.h"

namespace penstock::packet {

std::vector<Variable> job_environment(const Metadata& metadata,
                                      const std::optional<JobFile>& file) {
  std::vector<Variable> out;
  out.push_back({"FSPL_SEQ", cat(metadata.sequence)});
  out.push_back({"FSPL_CTIME_SECS", cat(metadata.created.seconds)});
  out.push_back({"FSPL_CTIME_NANOS", cat(metadata.created.nanoseconds)});
  out.push_back({"FSPL_CTIME_RFC3339_UTC", rfc3339_utc(metadata.created)});
  out.push_back({"FSPL_CTIME_RFC3339_LOCAL", rfc3339_local(metadata.created)});
  if (file) {
    out.push_back({"FSPL_JOB_FILENAME", file->file_name});
    out.push_back({"FSPL_JOB_QUEUEDIR", file->queue_dir});
    out.push_back({"FSPL_JOB_FULLPATH", cat(file->queue_dir, "/jobs/", file->file_name)});
  }
  for (size_t i = 0; i < metadata.params.size(); ++i) {
    out.push_back({cat("FSPL_PARAM_", i + 1), metadata.params[i]});
  }
  for (const Variable& variable : metadata.env) {
    out.push_back({cat("FSPL_SET_", variable.name), variable.value});
  }
  return out;
}

}  // namespace penstock::packet
