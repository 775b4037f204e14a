// What is known about shells by name: which of them agree on syntax, which can say `pipefail`, and
// which command names are theirs rather than a program's.
#pragma once

#include <string_view>

namespace penstock::pipeline {

// The four whose common syntax shell_words.h reads. All functions here take base names.
bool speaks_common_syntax(std::string_view shell);

// Takes `-o pipefail` on its command line. Debian's sh and dash do not.
bool has_pipefail(std::string_view shell);

// Any shell that takes `-c STRING`, of whatever syntax.
bool is_shell(std::string_view program);

// A builtin, predefined alias or reserved word of bash, dash, ksh93, mksh (Debian's /bin/ksh may be
// either) or ash. Many also exist as programs (echo, test, kill), but need not behave alike.
bool is_shell_word(std::string_view command);

}  // namespace penstock::pipeline
