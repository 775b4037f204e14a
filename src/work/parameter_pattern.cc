#include "work/parameter_pattern.h"

#include <re2/re2.h>

#include "base/error.h"
#include "base/text.h"

namespace penstock::work {

namespace {

// Of a parameter, for a line on a terminal.
constexpr size_t kShownBytes = 100;

RE2::Options as_posix_has_it() {
  RE2::Options options;
  options.set_posix_syntax(true);
  options.set_perl_classes(true);   // \d, \s, \w, as GNU's tools know them
  options.set_word_boundary(true);  // \b
  options.set_one_line(true);       // ^ and $ are the ends of the parameter, not of a line in it
  options.set_dot_nl(true);
  options.set_longest_match(true);
  options.set_never_capture(true);
  options.set_encoding(RE2::Options::EncodingLatin1);  // byte by byte
  options.set_log_errors(false);
  return options;
}

}  // namespace

ParameterPattern::ParameterPattern(const std::string& pattern)
    : compiled_(std::make_shared<const RE2>(pattern, as_posix_has_it())) {
  if (!compiled_->ok()) throw Error(printable(compiled_->error()));
}

bool ParameterPattern::matches(const std::string& parameter) const {
  // No argument can have one.
  return parameter.find('\0') == std::string::npos && RE2::FullMatch(parameter, *compiled_);
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
