// Who holds an end of a pipe without being the one that should read or write: a stray.
//
// The care taken here is against accusing a stage that is merely slow: a stray is somebody who
// cannot be the one that should write, and a finding needs every holder to be a stray.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "doctor/rule.h"

namespace penstock::doctor {

enum class Stray : uint8_t {
  no,
  mux,       // a connection that ssh keeps open for later
  agent,     // gpg-agent and its like, started on the way
  orphan,    // its parent has ended
  outsider,  // became another program with a descriptor that it was not told of
};

bool is_shell(const Process& process);
// An ssh that keeps its connection open for later sessions (ControlPersist).
bool is_mux_master(const Process& process);
// All its descriptors of that end have numbers above `last`.
bool holds_beyond(const Holder& holder, int last);
// A pipe that two programs of one make were told of by the environment.
bool holds_both_ends(const Scene& scene, const Process& process, ino_t pipe);
// Somebody of the job whose table we may not read could be the one that should write.
bool may_have_hidden_stage(const Scene& scene, const Process& user);

// All but `user`, who sleeps on the pipe, that hold the end, if every one of them is a stray;
// otherwise nobody.
std::vector<std::pair<const Holder*, Stray>> only_strays(const Scene& scene,
                                                         const std::vector<Holder>& holders,
                                                         const Process& user, ino_t pipe);
// The same among those whose tables we may read: proof only where nobody is hidden.
std::vector<std::pair<const Holder*, Stray>> only_strays_seen(const Scene& scene,
                                                              const std::vector<Holder>& holders,
                                                              const Process& user, ino_t pipe);

Remedy remedy_for(const Process& holder, Stray kind);
// ", left behind by a process that has ended": what a sentence adds to its name.
std::string_view what_it_is(Stray kind);

}  // namespace penstock::doctor
