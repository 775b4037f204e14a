// Threads whose start may fail, as that of a process may.
#pragma once

#include <system_error>
#include <thread>
#include <utility>

#include "base/error.h"

namespace penstock::sys {

// Throws Error with EAGAIN where the user may have no more of them.
template <typename Body>
std::thread start_thread(Body body) {
  try {
    return std::thread(std::move(body));
  } catch (const std::system_error& error) {
    throw Error::from_errno("start a thread", error.code().value());
  }
}

}  // namespace penstock::sys
