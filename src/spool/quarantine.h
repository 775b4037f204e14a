// DIR/penstock/quarantine/: job files that were taken out of the order, each with a report (D49).
#pragma once

#include <string>
#include <string_view>

#include "spool/file_identity.h"
#include "spool/queue.h"

namespace penstock::spool {

// Moves the job `name` aside, durably and without overwriting anything, after its report
// NAME.report is durable; makes the folder (0700) when it is the first. Returns the name it has
// there: its own, or a new job name if that is taken or too long to have a report beside it. Throws
// Error, with the job where it was, if `name` is no longer the file `id` or anything fails before
// the move.
std::string quarantine(const Queue& queue, const std::string& name, const FileIdentity& id,
                       std::string_view report);

}  // namespace penstock::spool
