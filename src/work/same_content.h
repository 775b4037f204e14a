// Whether two job files of one number are the same job, delivered twice.
#pragma once

#include "spool/job_directory.h"
#include "spool/job_set.h"

namespace penstock::work {

// Byte by byte; false if either cannot be read.
bool same_content(const spool::JobDirectory& jobs, const spool::ScannedJob& a,
                  const spool::ScannedJob& b);

}  // namespace penstock::work
