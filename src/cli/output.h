// Results on stdout, whole or with an error; and JSON for those who ask for it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "packet/metadata.h"

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
  std::string mark;  // next, waiting, old, duplicate
};
// An array of objects: id, created, file_name, mark; file_name_hex as well where the name is not
// UTF-8.
std::string json_of(const std::vector<ListedJob>& jobs);
// One object: the FSPL_ variables by name. Values that are not UTF-8 are given as {"hex": "…"}; of
// a name given twice the last counts.
std::string json_of(const std::vector<packet::Variable>& variables);

}  // namespace penstock::cli
