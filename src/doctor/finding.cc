#include "doctor/finding.h"

namespace penstock::doctor {

std::string_view name_of(Severity severity) {
  switch (severity) {
    case Severity::stuck:
      return "stuck";
    case Severity::warning:
      return "warning";
    case Severity::info:
      return "info";
  }
  return "?";
}

std::string_view name_of(Certainty certainty) {
  switch (certainty) {
    case Certainty::certain:
      return "certain";
    case Certainty::likely:
      return "likely";
    case Certainty::possible:
      return "possible";
  }
  return "?";
}

}  // namespace penstock::doctor
