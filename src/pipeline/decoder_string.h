// A decoder string (`-d 'gpg -q -d 2>/dev/null | zstdcat'`) as processes. Where all common shells
// would read it alike, its stages are run by us, so that each has its own status; anything else is
// given to $SHELL, untouched.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/stage.h"

namespace penstock::pipeline {

// What in the environment decides how $SHELL would understand a string.
struct ShellEnvironment {
  std::optional<std::string> shell;  // $SHELL
  // A file that bash reads before any string.
  bool bash_env = false;
  // Options that bash and ksh take over from their caller: noexec, nullglob, … (SHELLOPTS,
  // BASHOPTS).
  bool shell_options = false;
  // ENV, which some ksh read even when not interactive (sh, dash and bash never do then), or FPATH,
  // functions ksh finds by name. It matters for a shell called ksh only.
  bool ksh_env = false;
  std::vector<std::string> exported_functions;  // bash's BASH_FUNC_name%%

  // From "NAME=value" strings; of a name given twice the first counts, as for getenv.
  static ShellEnvironment from(std::span<const std::string> variables);
};

struct DecoderPlan {
  // At least one, each with at least one word. Runnable as they are, by argv[0] through PATH.
  std::vector<StageSpec> stages;
  // We split the string ourselves. A stage may still be a shell with a string of its own
  // (StageSpec::opaque).
  bool seen_through = false;
  // A stage is a shell with a pipe inside and without pipefail: a failure in there may go unseen
  // (D01). To be warned of, and refused by --strict-decoder.
  bool hides_a_pipe = false;
  bool pipefail = false;  // `-o pipefail` was given to $SHELL
  std::string
      description;  // for people and terminals, with the reason where it was not seen through
};

// How `text` is to be run. Throws Error if it holds a NUL byte, which no argument can.
DecoderPlan plan_decoder(std::string_view text, const ShellEnvironment& environment);

// The stages as one would type them: "gpg -q -d 2>/dev/null | zstdcat -T0".
std::string describe(const std::vector<StageSpec>& stages);

// The same stage with its redirections left to a shell, which then becomes it: for what may block
// when it is opened.
StageSpec redirected_by_shell(const StageSpec& stage);

}  // namespace penstock::pipeline
