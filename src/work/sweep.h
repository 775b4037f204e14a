// What lies in a queue and will never run: told about, and removed if asked to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "work/inspect.h"

namespace penstock::work {

struct Stray {
  enum class Kind {
    old,        // its number is below the next one
    duplicate,  // equal byte for byte to another file of its number, which stays
    conflict,   // of its number as another file, and not equal: a person must choose
    temporary,  // half a file of a writer that was killed
  };
  Kind kind = Kind::old;
  std::string file;  // below the queue: "jobs/fspl-x.fspl"
  std::optional<uint64_t> number;
  std::string of;      // duplicate, conflict: the other file
  bool stays = false;  // conflict; temporary: somebody may be writing it
};
const char* stray_name(Stray::Kind kind);

enum class Apply { no, yes };
// By kind, then number, then name. Holds the lock meanwhile; throws Error if somebody else does.
// With Apply::yes what does not stay has gone, durably.
std::vector<Stray> sweep(const InspectSettings& settings, Apply apply);

}  // namespace penstock::work
