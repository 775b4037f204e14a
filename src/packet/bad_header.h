// Why a header is refused: what a job file that came from somewhere may do to us, as opposed to
// what we got wrong.
#pragma once

#include <string>
#include <utility>

#include "base/error.h"

namespace penstock::packet {

// The message is a predicate about the file ("is empty", "ends inside the header after 40 bytes")
// or about one key of its metadata ("key seq is missing"). It never quotes bytes of the file, which
// may be long, hostile or both.
class BadHeader : public Error {
 public:
  enum class Cause {
    other,
    empty,
    encoded,  // not a job file, but what looks like one that nobody has decoded yet
  };
  explicit BadHeader(std::string message, Cause cause = Cause::other)
      : Error(std::move(message)), cause_(cause) {}

  Cause cause() const { return cause_; }

 private:
  Cause cause_;
};

}  // namespace penstock::packet
