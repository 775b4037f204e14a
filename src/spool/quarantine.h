// DIR/penstock/quarantine/: job files that were taken out of the order, each with a report (D49).
#pragma once

#include <string>
#include <string_view>

#include "spool/file_identity.h"
#include "spool/queue.h"

namespace penstock::spool {

// Gives the job `name` a second place there, durably, after its report NAME.report is durable;
// makes the folder (0700) when it is the first. Nothing is overwritten. Returns the name it has
// there: its own, or a new job name if that is taken or too long to have a report beside it.
//
// jobs/ keeps its name: the caller commits nextseq and then removes it, as with any other job that
// is over. So a run killed in between has neither lost the job nor opened a gap; the next one puts
// it here again, which changes nothing, or removes it. (Where the file system or its rules refuse a
// second link the file is moved at once: killed right then, the queue waits for its number.)
//
// Throws Error, with the job where it was, if `name` is no longer the file `id` or a step fails.
std::string quarantine(const Queue& queue, const std::string& name, const FileIdentity& id,
                       std::string_view report);

}  // namespace penstock::spool
