#include "doctor/remedy.h"

#include <array>

namespace penstock::doctor {

namespace {
constexpr std::array<std::string_view, 6> kNames = {"H0", "H1", "H2", "H3", "H4", "H5"};
}  // namespace

std::string_view name_of(Step step) {
  return kNames.at(static_cast<size_t>(step));
}

std::optional<Step> step_named(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames.at(i) == name) return static_cast<Step>(i);
  }
  return std::nullopt;
}

}  // namespace penstock::doctor
