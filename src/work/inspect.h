// Looking at jobs without running them: lists, headers, payloads.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "packet/metadata.h"
#include "pipeline/options.h"
#include "spool/job_set.h"
#include "work/scanner.h"

namespace penstock::work {

struct InspectSettings {
  std::string queue_dir;
  Decoding decoding;
  pipeline::Options options;
};

enum class Mark { next, waiting, old, duplicate };
const char* mark_name(Mark mark);

struct QueueEntry {
  spool::ScannedJob job;
  Mark mark = Mark::waiting;
};

// By number, time, name. Needs no lock.
std::vector<QueueEntry> list_queue(const InspectSettings& settings);
// The FSPL_ variables of job `number`. Throws if there is none, or several that differ.
std::vector<packet::Variable> queue_info(const InspectSettings& settings, uint64_t number);
// Its payload to standard output. Throws if the decoder failed, also where all bytes are out by
// then (D01).
void queue_payload(const InspectSettings& settings, uint64_t number);

// The same for the job file on standard input, which is read to exactly the end of its header, or
// to its own.
std::vector<packet::Variable> stdin_info();
void stdin_payload();

}  // namespace penstock::work
