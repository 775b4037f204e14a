// Which sandbox a stage gets.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pipeline/stage.h"
#include "sys/sandbox.h"

namespace penstock::pipeline {

// Whether it is gpg, by its name.
bool is_gpg(const StageSpec& stage);

// Marks a stage that parses what strangers have written. gpg is told not to lock its key ring, as
// it may not write beside it, and would fail for that; whoever changes the ring replaces it as a
// whole.
void confine(StageSpec& stage, const std::vector<std::string>& may_write);

// gpg decrypts by asking its agent, and of a shell we do not know what it will run; nobody else has
// a use for sockets.
sys::Sockets sockets_for(const StageSpec& stage);

// Nothing for a stage that is not sandboxed. Throws Error if a directory of its list is missing.
std::optional<sys::Sandbox> make_sandbox(const StageSpec& stage);

}  // namespace penstock::pipeline
