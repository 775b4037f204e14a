// The keeper: a small process of its own, with one thread and all signals blocked, that spawns
// every stage, reaps it, and holds duplicates of the queue's lock and of each gate, so that the
// death of the processor opens neither.
#pragma once

#include <span>

namespace penstock::pipeline {

// The keeper's argv[0] and the name that ps shows: a `pkill penstock` must not hit it.
inline constexpr const char* kKeeperName = "gatekeeper";

// The whole life of the keeper; returns its exit status. `arguments` are the numbers of two
// inherited descriptors: its end of the socket, and a pidfd of the processor.
int keeper_main(std::span<char* const> arguments);

}  // namespace penstock::pipeline
