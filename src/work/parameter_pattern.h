// What a job's parameters must look like before they become arguments: --allow-job-params=PATTERN.
#pragma once

#include <regex.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::work {

// An extended regular expression (POSIX) that has to match a parameter from its first byte to its
// last. Byte by byte: no locale has a say.
class ParameterPattern {
 public:
  // Throws Error, with the reason alone, if `pattern` is none.
  explicit ParameterPattern(const std::string& pattern);

  bool matches(const std::string& parameter) const;

 private:
  std::shared_ptr<regex_t> compiled_;
};

// Why these parameters may not be passed on: names the first one that does not match, escaped and
// cut. Nothing if all do.
std::optional<std::string> refused_parameter(const ParameterPattern& pattern,
                                             const std::vector<std::string>& parameters);

}  // namespace penstock::work
