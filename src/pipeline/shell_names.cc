#include "pipeline/shell_names.h"

#include <algorithm>
#include <array>

namespace penstock::pipeline {

namespace {

// `cat` is missing on purpose, though mksh has one built in: it copies and fails as the program
// does, and it is what people write where a decoder is to do nothing. Sorted, as it is searched.
constexpr auto kShellWords = std::to_array<std::string_view>({
    "!",          ".",         ":",        "[",        "[[",        "]]",       "alarm",
    "alias",      "autoload",  "bg",       "bind",     "break",     "builtin",  "caller",
    "case",       "cd",        "chdir",    "command",  "compgen",   "complete", "compopt",
    "compound",   "continue",  "coproc",   "declare",  "dirs",      "disown",   "do",
    "domainname", "done",      "echo",     "elif",     "else",      "enable",   "enum",
    "esac",       "eval",      "exec",     "exit",     "export",    "extproc",  "false",
    "fc",         "fg",        "fi",       "float",    "for",       "function", "functions",
    "getopts",    "global",    "hash",     "help",     "hist",      "history",  "if",
    "in",         "integer",   "jobs",     "kill",     "let",       "local",    "login",
    "logout",     "mapfile",   "mknod",    "nameref",  "namespace", "newgrp",   "nohup",
    "popd",       "print",     "printf",   "pushd",    "pwd",       "r",        "read",
    "readarray",  "readonly",  "realpath", "redirect", "rename",    "return",   "select",
    "set",        "setgroups", "shift",    "shopt",    "sleep",     "source",   "stop",
    "suspend",    "test",      "then",     "time",     "times",     "trap",     "true",
    "type",       "typeset",   "ulimit",   "umask",    "unalias",   "unset",    "until",
    "vmap",       "vpath",     "wait",     "whence",   "while",     "{",        "}",
});
static_assert(std::ranges::is_sorted(kShellWords));

constexpr auto kShells = std::to_array<std::string_view>({
    "ash",  "bash", "csh",   "dash", "elvish", "fish", "ksh",  "ksh93", "lksh", "mksh", "nu",
    "oksh", "posh", "rbash", "rksh", "rzsh",   "sh",   "tcsh", "xonsh", "yash", "zsh",
});
static_assert(std::ranges::is_sorted(kShells));

}  // namespace

bool speaks_common_syntax(std::string_view shell) {
  return shell == "sh" || shell == "dash" || shell == "bash" || shell == "ksh";
}

bool has_pipefail(std::string_view shell) {
  return shell == "bash" || shell == "ksh" || shell == "zsh";
}

bool is_shell(std::string_view program) {
  return std::ranges::binary_search(kShells, program);
}

bool is_shell_word(std::string_view command) {
  return std::ranges::binary_search(kShellWords, command);
}

}  // namespace penstock::pipeline
