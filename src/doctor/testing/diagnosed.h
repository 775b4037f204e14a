// What a diagnosis of a staged pair of snapshots says, for unit tests.
#pragma once

#include <string>
#include <string_view>

#include "doctor/diagnose.h"
#include "doctor/testing/staged.h"

namespace penstock::doctor::testing {

inline Diagnosis diagnosed(const Staged& stage) {
  return diagnose(stage.before(), stage.now());
}

inline const Finding* finding(const Diagnosis& diagnosis, std::string_view id) {
  for (const Finding& each : diagnosis.findings) {
    if (id == each.rule->id) return &each;
  }
  return nullptr;
}

// "R01 zstdcat 4710 [4709 4711], R27 …": rule, culprit and victims of whatever is stuck.
inline std::string stuck(const Staged& stage) {
  const procfs::Snapshot now = stage.now();
  std::string text;
  for (const Finding& each : diagnosed(stage).findings) {
    if (each.severity != Severity::stuck) continue;
    text += cat(text.empty() ? "" : ", ", each.rule->id, " ");
    const procfs::Process* culprit = now.find(each.culprit);
    text += culprit == nullptr ? "outside" : name_of(*culprit);
    std::string victims;
    for (const ProcessId& id : each.victims) victims += cat(victims.empty() ? "" : " ", id.pid);
    text += cat(" [", victims, "]");
  }
  return text;
}

// "R06 R10": whatever is less than stuck.
inline std::string words(const Staged& stage) {
  std::string text;
  for (const Finding& each : diagnosed(stage).findings) {
    if (each.severity == Severity::stuck) continue;
    text += cat(text.empty() ? "" : " ", each.rule->id);
  }
  return text;
}

}  // namespace penstock::doctor::testing
