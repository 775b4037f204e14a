// A rule is one small thing in one place: what it is called, and one function that looks at the
// scene. The files rules_*.cc hold them by chapter of docs/diagnosis/rules.md; rules.cc lists them
// in the order of their evaluation.
#pragma once

#include <span>
#include <vector>

#include "doctor/finding.h"
#include "doctor/graph.h"
#include "doctor/scene.h"

namespace penstock::doctor {

// What a rule may see, and where it puts what it found.
struct Examination {
  const Scene& scene;
  const WaitGraph& graph;
  std::vector<Finding>& findings;  // of the rules before this one, too: explained() asks them

  // Whether an earlier rule has named this process the culprit of being stuck.
  bool explained(const ProcessId& process) const;
  // The same for a pipe.
  bool explained(ino_t pipe) const;
};

struct Rule {
  RuleInfo info;
  void (*look)(Examination& examination, const RuleInfo& info) = nullptr;
};

// All of them, in the order of evaluation.
std::span<const Rule> all_rules();
// Chapter by chapter; each is defined in its own file.
std::span<const Rule> wakeup_rules();    // A: R01-R04
std::span<const Rule> capacity_rules();  // B: R06-R10
std::span<const Rule> leak_rules();      // C: R11-R19
std::span<const Rule> cycle_rules();     // D: R20-R26
std::span<const Rule> halted_rules();    // E: R27-R34
std::span<const Rule> outside_rules();   // F: R35-R40
std::span<const Rule> damage_rules();    // G: R42-R46
std::span<const Rule> healthy_rules();   // H: R47-R51 (R51, the gate, included)

const Rule* find_rule(std::string_view id);

}  // namespace penstock::doctor
