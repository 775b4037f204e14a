// Pipes inside shell text that is not ours to run: such a shell may report the last stage's status
// only. A guess, and on the safe side: where quoting is beyond a quick look, a '|' counts as a
// pipe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace penstock::pipeline {

// Whether `text`, given to a shell of that base name, has a '|' outside of quotes that is a pipe
// (so not "||").
bool has_pipe(std::string_view text, std::string_view shell);

// Whether a failure in a pipe of `text` could go unseen: it has one and no pipefail, or it calls a
// shell
// (`sh -c 'a | b'`) where that is so.
enum class Pipefail { off, on };
bool hides_pipe(std::string_view text, std::string_view shell, Pipefail pipefail);

// The same for the words of one command, `nice bash -c 'a | b'` for instance.
bool hides_pipe(const std::vector<std::string>& argv);

// Whether the words start a shell with a string to run, perhaps behind `env`, `sudo` and the like.
bool calls_shell(const std::vector<std::string>& argv);

}  // namespace penstock::pipeline
