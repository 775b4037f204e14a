// What a user may say about a pipeline in which no byte moves.
#pragma once

#include <chrono>

namespace penstock::pipeline {

enum class OnStall {
  report,  // say it
  heal,    // and nudge (H1) where the doctor is certain of a lost wakeup
  retry,   // and, after kill_after, end the job and run it again
  kill,    // and, after kill_after, end the job: it has failed
};

struct StallPolicy {
  std::chrono::milliseconds after{30'000};  // without a byte; 0: never ask
  OnStall on_stall = OnStall::heal;
  std::chrono::milliseconds kill_after{600'000};
};

}  // namespace penstock::pipeline
