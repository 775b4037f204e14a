#include "work/job_command.h"

#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "sys/program.h"

namespace penstock::work {

namespace {

// Variables that tell a command about its job: whatever stood in them before is not about this one.
bool is_job_variable(std::string_view variable) {
  static constexpr std::array<std::string_view, 8> kPrefixes = {
      "FSPL_SEQ=", "FSPL_CTIME_",       "FSPL_JOB_",          "FSPL_PARAM_",
      "FSPL_SET_", "PENSTOCK_ATTEMPT=", "PENSTOCK_PREVIOUS=", "PENSTOCK_JOB="};
  return std::ranges::any_of(kPrefixes,
                             [&](std::string_view prefix) { return variable.starts_with(prefix); });
}

bool kernel_has_pipe_bug() {
  static const bool has_it = [] {
    utsname names{};
    return ::uname(&names) == 0 && has_pipe_bug(static_cast<const char*>(names.release));
  }();
  return has_it;
}

// The first three numbers of "6.1.52-amd64".
std::array<unsigned, 3> version_of(std::string_view release) {
  std::array<unsigned, 3> version{};
  for (unsigned& part : version) {
    size_t digits = 0;
    while (digits < release.size() && release[digits] >= '0' && release[digits] <= '9') {
      part = part * 10 + static_cast<unsigned>(release[digits] - '0');
      ++digits;
    }
    release.remove_prefix(digits);
    if (release.empty() || release.front() != '.') break;
    release.remove_prefix(1);
  }
  return version;
}

}  // namespace

std::optional<std::string> unusable_packet(const packet::Metadata& metadata) {
  auto has_nul = [](const std::string& text) { return text.find('\0') != std::string::npos; };
  for (size_t i = 0; i < metadata.params.size(); ++i) {
    if (has_nul(metadata.params[i])) {
      return cat("its parameter ", i + 1, " holds a NUL byte, which no command can be given");
    }
  }
  for (const packet::Variable& variable : metadata.env) {
    if (has_nul(variable.name) || has_nul(variable.value)) {
      return cat("its variable ", printable(variable.name),
                 " holds a NUL byte, which no command can be given");
    }
  }
  return std::nullopt;
}

std::vector<std::string> command_environment(const std::vector<std::string>& inherited,
                                             const std::vector<packet::Variable>& job,
                                             const spool::Attempt& attempt,
                                             const std::string& label) {
  std::vector<std::string> environment;
  environment.reserve(inherited.size() + job.size() + 4);
  for (const std::string& variable : inherited) {
    if (is_job_variable(variable)) continue;
    if (kernel_has_pipe_bug() && variable.starts_with("ZFS_SET_PIPE_MAX=")) continue;
    environment.push_back(variable);
  }
  std::unordered_map<std::string_view, size_t> places;
  for (const packet::Variable& variable : job) {
    std::string text = cat(variable.name, "=", variable.value);
    const auto [place, is_new] = places.try_emplace(variable.name, environment.size());
    if (is_new) {
      environment.push_back(std::move(text));
    } else {
      environment[place->second] = std::move(text);
    }
  }
  environment.push_back(cat("PENSTOCK_ATTEMPT=", attempt.number));
  if (!attempt.previous.empty()) environment.push_back(cat("PENSTOCK_PREVIOUS=", attempt.previous));
  environment.push_back(cat("PENSTOCK_JOB=", label));
  if (kernel_has_pipe_bug()) environment.emplace_back("ZFS_NO_PIPE_MAX=1");
  return environment;
}

std::vector<std::string> command_arguments(const CommandLine& line,
                                           const packet::Metadata& metadata) {
  std::vector<std::string> argv = line.argv;
  if (!line.allow_job_params) return argv;
  if (line.params_separator) argv.emplace_back("--");
  argv.insert(argv.end(), metadata.params.begin(), metadata.params.end());
  return argv;
}

void check_command(const std::string& program) {
  const char* variable = ::getenv("PATH");
  const std::string_view path = variable != nullptr ? variable : "";
  const sys::FoundProgram found = sys::find_program(program, path);
  if (found.error != 0 || sys::bad_interpreter(found.path)) {
    const int reason = found.error != 0 ? found.error : ENOENT;
    throw Error(sys::exec_failure(program, path, reason),
                std::error_code(reason, std::generic_category()));
  }
}

bool has_pipe_bug(std::string_view release) {
  using Version = std::array<unsigned, 3>;
  static constexpr std::array<std::pair<Version, Version>, 5> kRanges = {
      {{{5, 8, 0}, {5, 10, 210}},
       {{5, 11, 0}, {5, 15, 149}},
       {{5, 16, 0}, {6, 1, 76}},
       {{6, 2, 0}, {6, 6, 15}},
       {{6, 7, 0}, {6, 7, 3}}}};
  const Version version = version_of(release);
  return std::ranges::any_of(
      kRanges, [&](const auto& range) { return version >= range.first && version < range.second; });
}

}  // namespace penstock::work
