// Looking at jobs without running them: lists, headers, payloads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "packet/metadata.h"
#include "pipeline/options.h"
#include "spool/job_set.h"
#include "work/decoding.h"

namespace penstock::work {

// Whether what is not sealed is refused.
enum class RequireSeal { no, yes };

struct InspectSettings {
  std::string queue_dir;
  Decoding decoding;
  pipeline::Options options;
  RequireSeal require_seal = RequireSeal::no;
};

enum class Mark { next, waiting, old, duplicate, conflict };
const char* mark_name(Mark mark);

struct QueueEntry {
  spool::ScannedJob job;
  Mark mark = Mark::waiting;
};

// By number, time, name. Needs no lock. Without `marks` all are waiting; for them, files of one
// number are compared, which reads them whole if they are of one size.
enum class Marks { no, yes };
std::vector<QueueEntry> list_queue(const InspectSettings& settings, Marks marks);
// The FSPL_ variables of job `number`. Throws if there is none, or several that differ.
struct JobInfo {
  std::vector<packet::Variable> variables;
  std::optional<packet::Seal> seal;
};
JobInfo queue_info(const InspectSettings& settings, uint64_t number);
// Its payload to standard output. Throws if the decoder failed, or the payload is not the one that
// was sealed, also where all bytes are out by then (D01).
void queue_payload(const InspectSettings& settings, uint64_t number);

// The same for the job file on standard input, which is read to exactly the end of its header, or
// to its own.
JobInfo stdin_info();
void stdin_payload(RequireSeal require_seal);

}  // namespace penstock::work
