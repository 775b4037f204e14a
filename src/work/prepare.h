// The sender's side: making job files, with the number taken as late as can be.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "packet/metadata.h"

namespace penstock::work {

struct PrepareSettings {
  packet::Kind kind = packet::Kind::command;
  std::string seqfile;               // "-": none, and number 1
  std::optional<uint64_t> fill;      // this number, and no sequence file
  std::optional<std::string> input;  // "-": standard input
  std::vector<std::string> params;
  bool seal = false;
  std::optional<std::string> sign_key;  // sign with the key in this file; only with `seal`
  std::string sign_for;                 // the one queue that is to take it
  std::string spool_dir;                // prepare() with a seal: for what must be stored meanwhile
  std::chrono::seconds lock_wait{10};
};

// Writes a job file to standard output. Throws Error; if the number was used up by then, the
// message says which one is lost and how to fill it (D02). Where not a byte had gone out the number
// is put back.
void prepare(const PrepareSettings& settings);

// The same straight into a queue, as one step: either the number is used and the whole job is in
// the queue, or neither. Returns the job file's name.
std::string enqueue(const PrepareSettings& settings, const std::string& queue_dir);

// What the sequence file says next; made, holding 1, where it is missing.
uint64_t next_number(const std::string& seqfile, std::chrono::seconds lock_wait);
void set_next_number(const std::string& seqfile, uint64_t number, std::chrono::seconds lock_wait);

}  // namespace penstock::work
