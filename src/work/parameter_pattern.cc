#include "work/parameter_pattern.h"

#include <array>

#include "base/error.h"
#include "base/text.h"

namespace penstock::work {

namespace {

// Of a parameter, for a line on a terminal.
constexpr size_t kShownBytes = 100;

}  // namespace

ParameterPattern::ParameterPattern(const std::string& pattern) {
  auto compiled = std::make_unique<regex_t>();
  if (const int error = ::regcomp(compiled.get(), pattern.c_str(), REG_EXTENDED); error != 0) {
    std::array<char, 200> reason{};
    ::regerror(error, compiled.get(), reason.data(), reason.size());
    throw Error(reason.data());
  }
  compiled_ = std::shared_ptr<regex_t>(compiled.release(), [](regex_t* regex) {
    ::regfree(regex);
    delete regex;
  });
}

// No ^( and )$ around the pattern, which one with a stray parenthesis could get out of: the longest
// of the leftmost matches is asked for, and it must be everything.
bool ParameterPattern::matches(const std::string& parameter) const {
  if (parameter.find('\0') != std::string::npos) return false;  // regexec would stop there
  std::array<regmatch_t, 1> match{};
  if (::regexec(compiled_.get(), parameter.c_str(), match.size(), match.data(), 0) != 0) {
    return false;
  }
  return match[0].rm_so == 0 && static_cast<size_t>(match[0].rm_eo) == parameter.size();
}

std::optional<std::string> refused_parameter(const ParameterPattern& pattern,
                                             const std::vector<std::string>& parameters) {
  for (size_t i = 0; i < parameters.size(); ++i) {
    const std::string& parameter = parameters[i];
    if (pattern.matches(parameter)) continue;
    const std::string_view begin = std::string_view(parameter).substr(0, kShownBytes);
    return cat("its parameter ", i + 1, " is not one that --allow-job-params allows: '",
               printable(begin), "'", begin.size() < parameter.size() ? " and more" : "");
  }
  return std::nullopt;
}

}  // namespace penstock::work
