// All rules, in the order of their evaluation: whoever cannot run explains everything upstream of
// him; then blocked writers, blocked readers, circles, the world outside, and what only looks bad.
#include <algorithm>

#include "doctor/rule.h"

namespace penstock::doctor {

namespace {

constexpr std::string_view kOrder[] = {
    // Cannot run at all.
    "R34", "R35", "R38", "R27", "R28", "R29", "R31",
    // Blocked writers.
    "R04", "R01", "R43", "R44",
    // Blocked readers on an empty pipe: a gate comes before any leak.
    "R02", "R51", "R15", "R03",
    // Circles are proof, and a leaked end may be part of one.
    "R26", "R23", "R16", "R20", "R21", "R22", "R24", "R25",
    // Ends in the wrong hands.
    "R13", "R14", "R12", "R11", "R17", "R18", "R45",
    // Waits for something outside.
    "R30", "R32", "R36", "R37", "R39", "R40", "R50", "R19",
    // No hang, but worth a word; then what only looks like one (R48 says nothing where R49 has).
    "R42", "R46", "R33", "R06", "R07", "R08", "R09", "R10", "R47", "R49", "R48"};

size_t place_of(const Rule& rule) {
  return static_cast<size_t>(std::ranges::find(kOrder, std::string_view(rule.info.id)) -
                             std::begin(kOrder));
}

std::vector<Rule> collect() {
  std::vector<Rule> rules;
  for (const auto chapter : {wakeup_rules, capacity_rules, leak_rules, cycle_rules, halted_rules,
                             outside_rules, damage_rules, healthy_rules}) {
    const std::span<const Rule> some = chapter();
    rules.insert(rules.end(), some.begin(), some.end());
  }
  std::ranges::stable_sort(rules, {}, place_of);
  return rules;
}

}  // namespace

std::span<const Rule> all_rules() {
  static const std::vector<Rule> rules = collect();
  return rules;
}

const Rule* find_rule(std::string_view id) {
  const std::span<const Rule> rules = all_rules();
  const auto it = std::ranges::find_if(rules, [&](const Rule& rule) { return rule.info.id == id; });
  return it == rules.end() ? nullptr : &*it;
}

bool Examination::explained(const ProcessId& process) const {
  return std::ranges::any_of(findings, [&](const Finding& finding) {
    if (finding.severity != Severity::stuck) return false;
    return finding.culprit == process ||
           std::ranges::find(finding.companions, process) != finding.companions.end();
  });
}

bool Examination::explained(ino_t pipe) const {
  return std::ranges::any_of(findings, [&](const Finding& finding) {
    return finding.severity == Severity::stuck && finding.pipe == pipe;
  });
}

}  // namespace penstock::doctor
