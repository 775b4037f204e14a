// gpg's agent, without which gpg decrypts nothing. gpg starts it itself where there is none; what
// is decided here is when that is not left to it. See docs/decisions/0016-gpg.md.
#pragma once

#include <optional>
#include <string_view>

#include "pipeline/decoder_string.h"
#include "pipeline/stage.h"

namespace penstock::work {

// Whether gpg decrypts in a stage of this plan, as far as we see through it.
bool asks_gpg_agent(const pipeline::DecoderPlan& plan);

// The command that starts this plan's agent, if none runs: `gpgconf --launch gpg-agent`, of the
// same place and with the same --homedir as its gpg. Nothing where gpg could do that itself, as it
// is not sandboxed; where it is told of another agent, or not to start one; where there is no
// gpgconf. `path`: PATH, by which gpg is found.
std::optional<pipeline::StageSpec> agent_launch(const pipeline::DecoderPlan& plan,
                                                std::string_view path);

}  // namespace penstock::work
