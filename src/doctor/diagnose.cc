#include "doctor/diagnose.h"

#include <algorithm>

#include "base/text.h"
#include "doctor/rule.h"
#include "doctor/strays.h"
#include "doctor/unseen.h"

namespace penstock::doctor {

namespace {

bool same_cause(const Finding& one, const Finding& other) {
  return one.culprit == other.culprit && (one.culprit.pid != 0 || one.pipe == other.pipe);
}

bool is_among(const std::vector<ProcessId>& some, const ProcessId& one) {
  return std::ranges::find(some, one) != some.end();
}

// One finding a cause: the rule that came first has it, and who waits for that culprit is no cause
// of his own.
void keep_causes(std::vector<Finding>& findings) {
  std::vector<Finding> kept;
  for (Finding& finding : findings) {
    const bool is_known = std::ranges::any_of(kept, [&](const Finding& earlier) {
      if (earlier.rule == finding.rule && earlier.pipe == finding.pipe &&
          same_cause(earlier, finding)) {
        return true;
      }
      if (finding.severity != Severity::stuck || earlier.severity != Severity::stuck) return false;
      return same_cause(earlier, finding) || is_among(earlier.companions, finding.culprit) ||
             is_among(earlier.victims, finding.culprit);
    });
    if (!is_known) kept.push_back(std::move(finding));
  }
  findings = std::move(kept);
}

class Unknowns {
 public:
  Unknowns(const Scene& scene, const WaitGraph& graph, const std::vector<Finding>& findings)
      : scene_(scene),
        graph_(graph),
        edges_(graph.edges()),
        findings_(findings),
        unreadable_(scene.unreadable()) {}

  std::vector<Unknown> find() {
    for (const Process* process : scene_.processes()) judge(*process);
    for (const Wait& wait : scene_.waits()) judge_end(wait);
    for (const Process* process : scene_.processes()) judge_unseen_wait(*process);
    return std::move(found_);
  }

 private:
  // One that we are not told about matters if somebody waits for it, or if nobody else is left to
  // speak of.
  void judge(const Process& process) {
    if (process.is_zombie()) return;
    if (scene_.is_told(process.stat.pid) || scene_.moved(process.stat.pid)) {
      judge_pipes(process);
      return;
    }
    const Node node{.process = process.id(), .external = {}};
    if (graph_.to(node).empty() && !stands_alone() && !may_hold_hidden_end(process)) return;
    add(process.id(), cat(name_of(process), ": what it sleeps in is not told", advice()));
  }

  // It runs, or its sleep is told (state D is, to anybody), but of its pipes nothing was seen.
  void judge_pipes(const Process& process) {
    if (process.descriptors || process.stat.kernel_thread || !stands_alone()) return;
    add(process.id(), cat(name_of(process), ": which pipes it holds is not told", advice()));
  }

  bool stands_alone() const {
    return std::ranges::none_of(scene_.processes(), [&](const Process* process) {
      return scene_.is_told(process->stat.pid) && process->descriptors && !process->is_zombie();
    });
  }

  // Somebody of the same job waits for an end that no table shows.
  bool may_hold_hidden_end(const Process& process) const {
    if (process.descriptors) return false;
    return std::ranges::any_of(scene_.waits(), [&](const Wait& wait) {
      if (!waits_for_hidden_end(wait)) return false;
      const Process* waiter = scene_.find(wait.process);
      return waiter->stat.session == process.stat.session ||
             waiter->stat.group == process.stat.group;
    });
  }

  // One whose holder came or went between the snapshots is no hidden end: it has just been given
  // up, or is about to be, and whoever waits for that is about to wake.
  bool waits_for_hidden_end(const Wait& wait) const {
    if (!wait.steady || wait.pipe == 0) return false;
    const procfs::PipeFacts* facts = scene_.facts(wait.pipe);
    if ((facts != nullptr && facts->is_left()) || has_new_child(wait.process)) return false;
    if (wait.kind == WaitKind::pipe_read) {
      return scene_.writers(wait.pipe).empty() && !scene_.had_writer(wait.pipe) &&
             (facts == nullptr || facts->has_writer != false);
    }
    if (wait.kind == WaitKind::pipe_write) {
      return scene_.readers(wait.pipe).empty() && !scene_.had_reader(wait.pipe) &&
             (facts == nullptr || facts->has_reader != false) && scene_.writable(wait.pipe) != true;
    }
    return false;
  }

  bool has_new_child(const ProcessId& process) const {
    return std::ranges::any_of(scene_.children(process.pid), [&](const Process* child) {
      return scene_.find_before(child->id()) == nullptr;
    });
  }

  void judge_end(const Wait& wait) {
    const Process* process = scene_.find(wait.process);
    if (waits_for_hidden_end(wait) && !is_explained(wait.pipe) && !unreadable_.empty()) {
      add(wait.process, cat(name_of(*process), ": who holds the other end of pipe ", wait.pipe,
                            " is not told: ", who_hides(), advice()));
    }
    if (const Process* stray = seen_stray(wait)) {
      add(wait.process, cat(name_of(*process), ": ", name_of(*stray), " alone is seen to hold the ",
                            "other end of pipe ", wait.pipe, ", which is not its business; but ",
                            who_hides(), advice()));
    }
    const bool on_some_pipe = wait.kind == WaitKind::pipe_read || wait.kind == WaitKind::pipe_write;
    if (wait.steady && on_some_pipe && wait.pipe == 0 && wait.fd < 0) {
      add(wait.process,
          cat(name_of(*process), ": sleeps on a pipe, and which one is not told", advice()));
    }
  }

  // Who has no business with the other end, and would be the cause if it were certain that nobody
  // else has that end. Null: nobody, or somebody else may.
  const Process* seen_stray(const Wait& wait) const {
    const bool reads = wait.kind == WaitKind::pipe_read && scene_.is_empty(wait.pipe) != false;
    const bool writes = wait.kind == WaitKind::pipe_write && scene_.writable(wait.pipe) != true;
    if (!wait.steady || wait.pipe == 0 || !(reads || writes) || is_explained(wait.pipe) ||
        scene_.gate(wait.pipe) != nullptr) {
      return nullptr;
    }
    const Process& process = *scene_.find(wait.process);
    if (!may_have_hidden_stage(scene_, process)) return nullptr;
    const auto& holders = reads ? scene_.writers(wait.pipe) : scene_.readers(wait.pipe);
    const auto strays = only_strays_seen(scene_, holders, process, wait.pipe);
    return strays.empty() ? nullptr : strays.front().first->process;
  }

  void judge_unseen_wait(const Process& process) {
    std::optional<std::string> sentence = unseen_wait(scene_, process, findings_);
    if (!sentence || !holds_up_all_others(scene_, edges_, process)) return;
    add(process.id(), std::move(*sentence));
  }

  std::string who_hides() const {
    const Process* first = scene_.find(unreadable_.front());
    const std::string name = first == nullptr ? "one" : name_of(*first);
    if (unreadable_.size() == 1) return cat("the descriptors of ", name, " cannot be read");
    return cat("the descriptors of ", unreadable_.size(), " processes (", name,
               ", ...) cannot be read");
  }

  bool is_explained(ino_t pipe) const {
    return std::ranges::any_of(findings_, [&](const Finding& finding) {
      return finding.severity == Severity::stuck && finding.pipe == pipe;
    });
  }

  std::string advice() const {
    return scene_.now().machine.looker == 0 ? "" : "; run as root to see";
  }

  void add(const ProcessId& process, std::string sentence) {
    if (std::ranges::find(found_, process, &Unknown::process) != found_.end()) return;
    found_.push_back({.process = process, .sentence = std::move(sentence)});
  }

  const Scene& scene_;
  const WaitGraph& graph_;
  const StrongEdges edges_;
  const std::vector<Finding>& findings_;
  const std::vector<ProcessId> unreadable_;
  std::vector<Unknown> found_;
};

}  // namespace

bool Diagnosis::is_stuck() const {
  return std::ranges::any_of(
      findings, [](const Finding& finding) { return finding.severity == Severity::stuck; });
}

Diagnosis diagnose(const Scene& scene) {
  WaitGraph graph(scene);
  Diagnosis diagnosis;
  Examination examination{.scene = scene, .graph = graph, .findings = diagnosis.findings};
  for (const Rule& rule : all_rules()) rule.look(examination, rule.info);
  keep_causes(diagnosis.findings);
  std::ranges::stable_sort(diagnosis.findings, {}, [](const Finding& finding) {
    return std::pair(finding.severity, finding.certainty);
  });
  diagnosis.unknown = Unknowns(scene, graph, diagnosis.findings).find();
  diagnosis.unreadable = scene.unreadable();
  diagnosis.nodes = graph.take_nodes();
  diagnosis.edges = graph.take_edges();
  diagnosis.kernel = scene.now().machine.kernel;
  return diagnosis;
}

}  // namespace penstock::doctor
