// What a job's command is given: its arguments and its environment.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "packet/job_environment.h"
#include "packet/metadata.h"
#include "pipeline/run.h"
#include "spool/run_record.h"
#include "work/parameter_pattern.h"

namespace penstock::work {

// The command as on the command line, and what jobs may add to it.
struct CommandLine {
  std::vector<std::string> argv;  // COMMAND and its parameters
  bool allow_job_params = false;
  std::optional<ParameterPattern> allowed_params;  // none: whatever they are
  bool params_separator = false;                   // "--" in front of the job's parameters (D52)
};

// Why a packet can never be run (D11), or nothing: no argument and no variable holds a NUL byte.
std::optional<std::string> unusable_packet(const packet::Metadata& metadata);

// Everything inherited less what an earlier job may have left (D24), overlaid with the job's
// variables; of a name given twice the last counts. `attempt` becomes PENSTOCK_ATTEMPT and
// PENSTOCK_PREVIOUS, `label` PENSTOCK_JOB.
std::vector<std::string> command_environment(const std::vector<std::string>& inherited,
                                             const std::vector<packet::Variable>& job,
                                             const spool::Attempt& attempt,
                                             const std::string& label);

// COMMAND, its parameters and, where allowed, the job's.
std::vector<std::string> command_arguments(const CommandLine& line,
                                           const packet::Metadata& metadata);

// Whether `program` can be found and executed, as far as one can know without starting it; throws
// "start NAME: reason".
void check_command(const std::string& program);

// Whether this kernel's version is one of those with the lost wakeup in pipes (CVE-2023-52672).
// `release` as in `uname -r`. Distributions mend it without changing the version, so this is only
// ever a reason for more care.
bool has_pipe_bug(std::string_view release);

}  // namespace penstock::work
