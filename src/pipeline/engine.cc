#include "pipeline/engine.h"

#include <unistd.h>

#include "sys/process.h"
#include "sys/signals.h"

namespace penstock::pipeline {

Engine::Engine() : has_terminal(sys::has_terminal()), keeper(loop) {
  // A reader that goes away is news for us, never our death.
  sys::ignore_sigpipe();
  for (char** variable = environ; *variable != nullptr; ++variable)
    environment.emplace_back(*variable);
}

}  // namespace penstock::pipeline
