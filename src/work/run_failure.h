// Why a whole run ends, by kind, for those who ask for distinct exit statuses.
#pragma once

#include "base/error.h"

namespace penstock::work {

enum class FailureKind {
  job_failed,   // and blocks the queue
  busy,         // somebody else has the lock
  bad_data,     // two files of one number that differ, or a seal that is broken or missing
  no_queue,     // no queue there, or not one that can be processed
  unavailable,  // command or decoder cannot be started
  io,
};

class RunFailure : public Error {
 public:
  RunFailure(FailureKind kind, std::string message) : Error(std::move(message)), kind_(kind) {}
  FailureKind kind() const { return kind_; }

 private:
  FailureKind kind_;
};

}  // namespace penstock::work
