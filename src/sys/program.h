// What execve(2) will find under a command's name, as far as one can know without starting it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::sys {

// Where a program called `name` may lie, in the order in which they are tried. `path` is PATH.
std::vector<std::string> program_places(const std::string& name, std::string_view path);

// The first of these places that can be executed; without one, 0 is no errno.
struct FoundProgram {
  std::string path;
  int error = 0;  // why there is none: ENOENT, EACCES, …
};
FoundProgram find_program(const std::string& name, std::string_view path);

// The interpreter in the first line ("#!/bin/sh -e") of a script, if that cannot be executed: the
// kernel then says of the script itself that it is not there.
struct BadInterpreter {
  std::string path;
  int error = 0;
};
std::optional<BadInterpreter> bad_interpreter(const std::string& script);

// Why `name` cannot be started, after execve(2) has said `error`: "start ./x: its interpreter
// /bin/none: No such file or directory".
std::string exec_failure(const std::string& name, std::string_view path, int error);

}  // namespace penstock::sys
