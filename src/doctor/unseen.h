// Sleeps whose end nobody shows: on a lock within the program, on a UNIX socket. Who sleeps so may
// be well or stuck for ever, and nothing in /proc tells which; so it is unknown, where anybody
// asks.
//
// Idle services sleep like that as well. Asked about are only those that the user has named, and
// those for which alone all the others of their pipeline wait.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "doctor/finding.h"
#include "doctor/scene.h"
#include "doctor/strong_edges.h"

namespace penstock::doctor {

// "python3 12: its only thread waits for a lock …"; nothing if a thread of it waits for anything
// else, if it has not slept for long, or if a finding says what it is stuck in.
std::optional<std::string> unseen_wait(const Scene& scene, const Process& process,
                                       const std::vector<Finding>& findings);
// Whether all the other stages of its pipeline rest, and wait for it alone.
bool holds_up_all_others(const Scene& scene, const StrongEdges& edges, const Process& process);
}  // namespace penstock::doctor
