// From parsed arguments to the settings that work/ and pipeline/ take; shared by the commands that
// run something.
#pragma once

#include <span>

#include "cli/args.h"
#include "pipeline/options.h"
#include "work/decoding.h"
#include "work/job_run.h"
#include "work/trust.h"

namespace penstock::cli {

// Throws Error if --spool-dir cannot take a payload: better now than at the first large one.
pipeline::Options pipeline_options(const Arguments& arguments);
// Reads the keys of --trust. Throws Error if there are none in a file.
std::optional<work::Trust> trust(const Arguments& arguments);
// Sees the decoder string through, warns of what it hides, and refuses that with --strict-decoder.
work::Decoding decoding(const Arguments& arguments);
// Under --sandbox: marks the stages. Throws RunFailure where this machine has no sandbox, unless
// that was to be tried only, and Error for a directory that cannot be opened.
void confine(const Arguments& arguments, std::span<pipeline::StageSpec> stages);
work::CommandLine command_line(const Arguments& arguments);

}  // namespace penstock::cli
