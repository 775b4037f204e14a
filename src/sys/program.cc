#include "sys/program.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "base/text.h"
#include "sys/unique_fd.h"

namespace penstock::sys {

namespace {

constexpr size_t kFirstLine = 256;  // as much of it as the kernel looks at

// 0, or why not.
int can_execute(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return errno;
  if (!S_ISREG(status.st_mode)) return EACCES;
  return ::access(path.c_str(), X_OK) == 0 ? 0 : errno;
}

}  // namespace

std::vector<std::string> program_places(const std::string& name, std::string_view path) {
  // An empty name is not to be found, as with execvp(3): it is not the folder.
  if (name.empty() || name.find('/') != std::string::npos) return {name};
  std::vector<std::string> places;
  for (;;) {
    const size_t colon = path.find(':');
    const std::string_view directory = path.substr(0, colon);
    places.push_back(directory.empty() ? name : cat(directory, "/", name));
    if (colon == std::string_view::npos) return places;
    path.remove_prefix(colon + 1);
  }
}

FoundProgram find_program(const std::string& name, std::string_view path) {
  FoundProgram found{.error = ENOENT};
  for (std::string& place : program_places(name, path)) {
    const int reason = can_execute(place);
    if (reason == 0) return {.path = std::move(place)};
    if (reason != ENOENT && reason != ENOTDIR) found.error = reason;
  }
  return found;
}

std::optional<BadInterpreter> bad_interpreter(const std::string& script) {
  const UniqueFd fd(::open(script.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return std::nullopt;  // may be executed all the same
  std::array<char, kFirstLine> block{};
  const ssize_t count = ::pread(fd.get(), block.data(), block.size(), 0);
  if (count <= 0) return std::nullopt;
  std::string_view line(block.data(), static_cast<size_t>(count));
  if (!line.starts_with("#!")) return std::nullopt;
  line = line.substr(2, line.find('\n') - 2);
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  std::string path(line.substr(0, line.find_first_of(" \t")));
  if (path.empty()) return std::nullopt;
  const int error = can_execute(path);
  if (error == 0) return std::nullopt;
  return BadInterpreter{.path = std::move(path), .error = error};
}

std::string exec_failure(const std::string& name, std::string_view path, int error) {
  const std::string start = cat("start ", name.empty() ? "\"\"" : printable(name), ": ");
  const auto words = [](int code) { return std::generic_category().message(code); };
  const FoundProgram found = find_program(name, path);
  if (found.error != 0) return start + words(error);
  if (const auto interpreter = bad_interpreter(found.path)) {
    return cat(start, "its interpreter ", printable(interpreter->path), ": ",
               words(interpreter->error));
  }
  if (error == ENOEXEC) {
    return cat(start, words(error),
               " (a script names its interpreter in its first line: #!/bin/sh)");
  }
  return start + words(error);
}

}  // namespace penstock::sys
