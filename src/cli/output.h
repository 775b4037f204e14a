// Results on stdout, whole or with an error; and JSON for those who ask for it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "packet/metadata.h"
#include "spool/quarantine.h"
#include "work/queue_check.h"
#include "work/sweep.h"

namespace penstock::cli {

// Standard output has no reader any more: nothing to say, exit status 1.
struct ReaderGone {};

// Throws Error, or ReaderGone.
void print(std::string_view text);

struct ListedJob {
  uint64_t number = 0;
  std::string created_local;
  std::string created_utc;
  std::string file;
  std::string mark;  // next, waiting, old, duplicate, conflict
  std::optional<uint64_t> sealed_bytes;
};
// An array of objects: id, created, file_name, mark, seal (null, or an object: payload_bytes);
// file_name_hex as well where the name is not UTF-8.
std::string json_of(const std::vector<ListedJob>& jobs);
// One object: the FSPL_ variables by name, and seal (null, or an object: payload_bytes and
// blake2b_256). Values that are not UTF-8 are given as {"hex": "…"}; of
// a name given twice the last counts.
std::string json_of(const std::vector<packet::Variable>& variables,
                    const std::optional<packet::Seal>& seal);

struct VerifiedFile {
  std::string file;
  std::string state;  // whole, cut, altered, not sealed, unreadable
  std::string reason;
  std::optional<uint64_t> number;
  std::optional<packet::Seal> seal;
  std::optional<packet::Signature> signature;
  bool is_trusted = false;      // its signature is good, and by one of those that were asked for
  std::string signature_words;  // one clause; empty where nobody asked and there is none
};
// An array of objects: file_name (and file_name_hex as above), state, reason, id, seal and
// signature (key, comment, trusted), null where there is none.
std::string json_of(const std::vector<VerifiedFile>& files);

// An array of objects: kind (old, duplicate, conflict, temporary), id (null for temporary), file
// (below the queue), of (duplicate, conflict: the other file), stays.
std::string json_of(const std::vector<work::Stray>& strays);
// An array of objects: kind (owner, writable, readable, link, special, temporary), path (and
// path_hex as above), reason.
std::string json_of(const std::vector<work::QueueWarning>& warnings);
// An array of objects: id (null where there is no report), file_name, moved, attempts,
// may_have_been_applied, reason.
std::string json_of(const std::vector<spool::QuarantinedJob>& jobs);

}  // namespace penstock::cli
