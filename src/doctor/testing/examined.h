// One chapter of rules, run over what was staged.
#pragma once

#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "doctor/rule.h"
#include "doctor/testing/staged.h"

namespace penstock::doctor::testing {

// Keeps the snapshots that scene and findings borrow.
class Examined {
 public:
  Examined(const Staged& stage, std::span<const Rule> rules, std::vector<Finding> earlier = {})
      : findings(std::move(earlier)),
        before_(stage.before()),
        now_(stage.now()),
        scene_(before_, now_),
        graph_(scene_) {
    Examination examination{.scene = scene_, .graph = graph_, .findings = findings};
    for (const Rule& rule : rules) rule.look(examination, rule.info);
  }

  const Finding* find(std::string_view rule) const {
    for (const Finding& finding : findings) {
      if (rule == finding.rule->id) return &finding;
    }
    return nullptr;
  }
  // Throws, and so fails the test, if the rule has not fired.
  const Finding& at(std::string_view rule) const {
    const Finding* finding = find(rule);
    if (finding == nullptr) throw std::out_of_range(cat(rule, " has not fired"));
    return *finding;
  }
  bool has(std::string_view rule) const { return find(rule) != nullptr; }
  // The culprit's pid; -1: the rule has not fired.
  pid_t culprit(std::string_view rule) const {
    const Finding* finding = find(rule);
    return finding == nullptr ? -1 : finding->culprit.pid;
  }
  bool is_stuck(std::string_view rule) const {
    const Finding* finding = find(rule);
    return finding != nullptr && finding->severity == Severity::stuck;
  }
  std::vector<pid_t> victims(std::string_view rule) const {
    std::vector<pid_t> pids;
    if (const Finding* finding = find(rule)) {
      for (const ProcessId& id : finding->victims) pids.push_back(id.pid);
    }
    return pids;
  }
  std::string sentence(std::string_view rule) const {
    const Finding* finding = find(rule);
    return finding == nullptr ? "" : finding->sentence;
  }

  std::vector<Finding> findings;
  const Scene& scene() const { return scene_; }
  const WaitGraph& graph() const { return graph_; }

 private:
  procfs::Snapshot before_;
  procfs::Snapshot now_;
  Scene scene_;
  WaitGraph graph_;
};

}  // namespace penstock::doctor::testing
