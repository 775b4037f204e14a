// What a run needs for itself is not to be had: a library, room for the payload. It is no fault of
// the job, and would befall the next one as well: nobody may be told that the job has failed.
#pragma once

#include <utility>

#include "base/error.h"

namespace penstock::pipeline {

class MeansMissing : public Error {
 public:
  explicit MeansMissing(Error error) : Error(std::move(error)) {}
};

// Does `work`; an Error of it is a MeansMissing.
template <typename Work>
auto by_our_means(const Work& work) {
  try {
    return work();
  } catch (const Error& error) {
    throw MeansMissing(error);
  }
}

}  // namespace penstock::pipeline
