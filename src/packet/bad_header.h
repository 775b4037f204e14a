// Why a header is refused: what a job file that came from somewhere may do to us, as opposed to
// what we got wrong.
#pragma once

#include "base/error.h"

namespace penstock::packet {

// The message is a predicate about the file ("is empty", "ends inside the header after 40 bytes")
// or about one key of its metadata ("key seq is missing"). It never quotes bytes of the file, which
// may be long, hostile or both.
class BadHeader : public Error {
 public:
  using Error::Error;
};

}  // namespace penstock::packet
