// What a job's parameters must look like before they become arguments: --allow-job-params=PATTERN.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace re2 {
class RE2;
}

namespace penstock::work {

// An extended regular expression that has to match a parameter from its first byte to its last.
// Byte by byte: no locale has a say. By RE2 (docs/decisions/0009-regular-expressions.md): whatever
// the parameter, the time is linear in its length, and whatever the pattern, memory is bounded.
class ParameterPattern {
 public:
  // Throws Error, with the reason alone, if `pattern` is none.
  explicit ParameterPattern(const std::string& pattern);

  bool matches(const std::string& parameter) const;

 private:
  std::shared_ptr<const re2::RE2> compiled_;
};

// Why these parameters may not be passed on: names the first one that does not match, escaped and
// cut. Nothing if all do.
std::optional<std::string> refused_parameter(const ParameterPattern& pattern,
                                             const std::vector<std::string>& parameters);

}  // namespace penstock::work
