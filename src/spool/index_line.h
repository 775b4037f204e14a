// One line of a queue's header index: what the header of one job file said, or why it said nothing.
// Pure. The grammar is in docs/formats/header-index.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/time.h"
#include "spool/file_identity.h"

namespace penstock::spool {

inline constexpr std::string_view kIndexIntro = "penstock-index 1\n";

struct IndexedHeader {
  uint64_t number = 0;
  Timestamp created;
  // As ScannedJob has them: both or none.
  std::optional<uint64_t> sealed_bytes;
  std::optional<uint64_t> sealed_as;

  bool operator==(const IndexedHeader&) const = default;
};

struct IndexedFailure {
  Timestamp found;     // when it was tried
  std::string reason;  // a predicate about the file; long ones are cut

  bool operator==(const IndexedFailure&) const = default;
};

struct IndexRow {
  uint64_t name = 0;  // digest_of() the file's name
  FileIdentity id;
  Timestamp changed;  // the file's ctime
  uint64_t way = 0;   // digest of how the header was got at: digest_of() that
  std::variant<IndexedHeader, IndexedFailure> entry;

  bool operator==(const IndexRow&) const = default;
};

// FNV-1a. What it is made of here says which files and decoders are the same to honest people; who
// can put files with chosen names into a queue can do no more than have them decoded once more.
uint64_t digest_of(std::string_view text);

// With its newline.
std::string encode(const IndexRow& row);
// `line` is without its newline. Nothing for anything but a whole line of encode().
std::optional<IndexRow> decode_index_line(std::string_view line);

}  // namespace penstock::spool
