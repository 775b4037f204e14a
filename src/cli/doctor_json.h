// A diagnosis as JSON, schema 1: docs/formats/doctor-json.md. Stable: members are added, never
// changed.
#pragma once

#include <string>
#include <vector>

#include "doctor/diagnose.h"
#include "doctor/explain.h"
#include "doctor/self_check.h"

namespace penstock::cli {

enum class JsonLayout : uint8_t {
  indented,
  one_line,  // for --watch
};

// With its newline. What --heal did is in `healing`.
struct Healed {
  doctor::Finding finding;
  doctor::Remedy remedy;
  bool applied = false;
  bool verified = false;
  std::string sentence;
};
std::string json_of(const doctor::Diagnosis& diagnosis, doctor::Verdict verdict,
                    const doctor::Scene& scene, const std::vector<Healed>& healing,
                    JsonLayout layout);
std::string json_of(const std::vector<doctor::Check>& checks);

}  // namespace penstock::cli
