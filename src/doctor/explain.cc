#include "doctor/explain.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "base/text.h"
#include "doctor/looking.h"
#include "doctor/stop_policy.h"
#include "doctor/unseen.h"

namespace penstock::doctor {

namespace {

constexpr size_t kNamesInASentence = 6;
constexpr size_t kPipelinesInASentence = 3;
constexpr size_t kUnknownShown = 10;

std::string name_or_pid(const Scene& scene, const ProcessId& id) {
  const Process* process = scene.find(id);
  return process == nullptr ? cat("process ", id.pid) : label_of(*process);
}

// "a", "a and b", "a, b and c"
std::string enumerate(const std::vector<std::string>& names) {
  std::string out;
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) out += i + 1 == names.size() ? " and " : ", ";
    out += names[i];
  }
  return out;
}

std::string victims_sentence(const Finding& finding, const Scene& scene) {
  std::vector<std::string> names;
  for (const ProcessId& id : finding.victims) {
    if (names.size() == kNamesInASentence && finding.victims.size() > kNamesInASentence + 1) {
      names.push_back(cat(finding.victims.size() - kNamesInASentence, " more"));
      break;
    }
    names.push_back(name_or_pid(scene, id));
  }
  if (names.empty()) return "";
  const std::string whom = finding.culprit.pid == 0 ? "for that"
                           : finding.companions.empty()
                               ? cat("for ", name_or_pid(scene, finding.culprit))
                               : std::string("for them");
  return finding.victims.size() == 1
             ? cat(names.front(), " waits ", whom, ": a victim, not the cause.")
             : cat(enumerate(names), " wait ", whom, ": victims, not the cause.");
}

// R46 says why.
std::string warnings_not_to_touch(const Finding& finding, const Pipeline* pipeline,
                                  const Scene& scene) {
  std::set<ProcessId> concerned(finding.victims.begin(), finding.victims.end());
  concerned.insert(finding.culprit);
  if (pipeline != nullptr) {
    for (const PipelineStage& stage : pipeline->stages) concerned.insert(stage.id);
  }
  std::vector<std::string> names;
  for (const ProcessId& id : concerned) {
    const Process* process = id.pid == 0 ? nullptr : scene.find(id);
    if (process != nullptr && forbids_stop(*process)) names.push_back(label_of(*process));
  }
  if (names.empty()) return "";
  return cat("strace or SIGSTOP on ", enumerate(names), " (it would break the stream).");
}

const Pipeline* pipeline_of(const std::vector<Pipeline>& all, const Finding& finding) {
  auto holds = [&](const Pipeline& pipeline) {
    if (pipeline.contains(finding.culprit)) return true;
    return std::ranges::any_of(finding.victims,
                               [&](const ProcessId& id) { return pipeline.contains(id); });
  };
  const auto found = std::ranges::find_if(all, holds);
  return found == all.end() ? nullptr : &*found;
}

std::set<ProcessId> culprits(const Diagnosis& diagnosis) {
  std::set<ProcessId> out;
  for (const Finding& finding : diagnosis.findings) {
    if (finding.severity != Severity::stuck || finding.culprit.pid == 0) continue;
    out.insert(finding.culprit);
    out.insert(finding.companions.begin(), finding.companions.end());
  }
  return out;
}

// Who is unknown, and who waits for nobody else than such.
class Unjudged {
 public:
  explicit Unjudged(const Diagnosis& diagnosis) : edges_(diagnosis.edges) {
    for (const Unknown& each : diagnosis.unknown) {
      unknown_.insert({.process = each.process, .external = {}});
    }
    elsewhere_ = edges_.leading_elsewhere(unknown_);
  }

  bool contains(const ProcessId& id) const {
    return unknown_.contains({.process = id, .external = {}});
  }
  bool hold_up(const ProcessId& id) const {
    const Node node{.process = id, .external = {}};
    if (unknown_.empty()) return false;  // who waits for himself is no riddle
    return unknown_.contains(node) || (edges_.leave(node) && !elsewhere_.contains(node));
  }

 private:
  StrongEdges edges_;
  std::set<Node> unknown_;
  std::set<Node> elsewhere_;  // whoever waits for others as well
};

// One finding after the other; a picture that was shown is not shown again.
class Report {
 public:
  Report(const Diagnosis& diagnosis, const Scene& scene, const Canvas& canvas)
      : diagnosis_(diagnosis), scene_(scene), canvas_(canvas), pipelines_(pipelines(scene)) {}

  std::string text() {
    if (!diagnosis_.is_stuck()) tell_calm();
    for (const Finding& finding : diagnosis_.findings) {
      if (finding.severity == Severity::info) {
        tell_note(finding);
      } else {
        tell(finding);
      }
    }
    if (diagnosis_.is_stuck()) tell_unknown();
    return out_;
  }

  std::string graph() {
    const std::set<ProcessId> marked = culprits(diagnosis_);
    for (const Pipeline& pipeline : pipelines_) {
      out_ += cat(draw(pipeline, marked, canvas_), "\n");
      shown_.insert(&pipeline);
    }
    for (const Edge& edge : diagnosis_.edges) {
      out_ += wrapped("  ", cat(edge.sentence, edge.strong ? "" : " (perhaps)"), canvas_);
    }
    if (!diagnosis_.edges.empty()) out_ += "\n";
    if (!diagnosis_.is_stuck()) tell_calm();
    for (const Finding& finding : diagnosis_.findings) {
      out_ += wrapped("", cat(headline(finding), ". ", finding.sentence), canvas_);
    }
    if (diagnosis_.is_stuck()) tell_unknown();
    return out_;
  }

 private:
  void line(std::string_view first, std::string_view text) {
    if (!text.empty()) out_ += wrapped(first, text, canvas_);
  }

  void tell(const Finding& finding) {
    if (!out_.empty()) out_ += "\n";
    out_ += wrapped("", headline(finding), canvas_);
    const Pipeline* pipeline = pipeline_of(pipelines_, finding);
    if (pipeline != nullptr && shown_.insert(pipeline).second) {
      out_ += draw(*pipeline, culprits(diagnosis_), canvas_);
    }
    line("  ", finding.sentence);
    if (finding.severity == Severity::stuck) line("  ", victims_sentence(finding, scene_));
    for (const std::string& fact : finding.evidence) line("  - ", fact);
    tell_remedies(finding);
    line("  Never:       ", warnings_not_to_touch(finding, pipeline, scene_));
  }

  void tell_remedies(const Finding& finding) {
    bool is_first = true;
    for (const Remedy& remedy : finding.remedies) {
      const bool frees = finding.severity == Severity::stuck && remedy.step != Step::wait;
      const std::string_view first = !is_first ? "  Or:          "
                                     : frees   ? "  To free it:  "
                                               : "  What to do:  ";
      tell_remedy(first, remedy, finding.severity);
      is_first = false;
    }
  }

  // "(--heal=H3; whatever else it does ends, too)": the risk, and what we are told to do it by,
  // where the command itself does not tell. Only what is stuck is healed.
  static std::string in_brackets(const Remedy& remedy, Severity severity) {
    if (remedy.risk.empty()) return "";
    const bool can_be_ordered =
        severity == Severity::stuck && remedy.step != Step::wait && remedy.step != Step::close_own;
    const bool is_told = remedy.command.find("--heal") != std::string::npos;
    const std::string order =
        can_be_ordered && !is_told ? cat("--heal=", name_of(remedy.step), "; ") : "";
    return cat("(", order, remedy.risk, ")");
  }

  // The command alone on its line, if it and the risk do not fit together.
  void tell_remedy(std::string_view first, const Remedy& remedy, Severity severity) {
    const std::string risk = in_brackets(remedy, severity);
    if (remedy.command.empty() || remedy.risk.empty()) {
      line(first, remedy.command.empty() ? remedy.risk : remedy.command);
    } else if (columns(first) + columns(remedy.command) + 3 + columns(risk) <= canvas_.width) {
      out_ += cat(first, remedy.command, "   ", risk, "\n");
    } else {
      line(first, remedy.command);
      line(std::string(columns(first), ' '), risk);
    }
  }

  void tell_note(const Finding& finding) {
    if (is_told_as_slowest(finding)) return;
    out_ += wrapped("  ", cat(headline(finding), ". ", finding.sentence), canvas_);
  }

  bool is_told_as_slowest(const Finding& finding) const { return &finding == slowest_; }

  // Nothing is stuck: what was seen, or that it could not be seen.
  void tell_calm() {
    if (diagnosis_.unknown.empty()) {
      out_ += wrapped("", cat("nothing is stuck: ", seen()), canvas_);
      return;
    }
    const size_t unknown = diagnosis_.unknown.size();
    out_ += wrapped("",
                    cat("unknown: ", unknown, unknown == 1 ? " process" : " processes",
                        " could not be judged", others_in_a_phrase()),
                    canvas_);
    show_unknown();
    tell_unknown();
  }

  // "; the other one is not stuck"
  std::string others_in_a_phrase() const {
    const Unjudged unjudged(diagnosis_);
    size_t waiting = 0;
    size_t judged = 0;
    for (const Process* process : scene_.processes()) {
      if (unjudged.contains(process->id())) continue;
      ++(unjudged.hold_up(process->id()) ? waiting : judged);
    }
    const std::string_view it = diagnosis_.unknown.size() == 1 ? "it" : "them";
    std::string out;
    if (waiting != 0) {
      out = waiting == 1 ? cat("; another one waits for ", it)
                         : cat("; ", waiting, " others wait for ", it);
    }
    if (judged == 0) return out;
    const std::string_view which = waiting == 0 ? "other" : "remaining";
    if (judged == 1) return cat(out, "; the ", which, " one is not stuck");
    return cat(out, "; of the ", judged, " ", which, waiting == 0 ? "s" : "", " none is stuck");
  }

  // Their pipelines, but for a crowd of them.
  void show_unknown() {
    size_t drawn = 0;
    for (const Pipeline& pipeline : pipelines_) {
      const bool is_one = std::ranges::any_of(diagnosis_.unknown, [&](const Unknown& unknown) {
        return pipeline.contains(unknown.process);
      });
      if (!is_one || !shown_.insert(&pipeline).second) continue;
      if (++drawn > kPipelinesInASentence) return;
      out_ += draw(pipeline, {}, canvas_);
    }
  }

  void tell_unknown() {
    size_t shown = 0;
    for (const Unknown& unknown : diagnosis_.unknown) {
      if (shown++ == kUnknownShown) {
        out_ += cat("  unknown: ", diagnosis_.unknown.size() - kUnknownShown, " more\n");
        return;
      }
      line("  unknown: ", unknown.sentence);
    }
  }

  std::string seen() {
    if (scene_.processes().empty()) return "nobody to look at was there both times";
    if (pipelines_.empty()) {
      const size_t count = scene_.processes().size();
      if (count > 1) return cat(count, " processes, and no pipe between any two of them");
      const Process& only = *scene_.processes().front();
      return cat(label_of(only), " has no pipe to anybody; it ", what_it_does(scene_, only));
    }
    std::string out;
    for (size_t i = 0; i < pipelines_.size(); ++i) {
      if (i == kPipelinesInASentence && pipelines_.size() > kPipelinesInASentence + 1) {
        return cat(out, "; and ", pipelines_.size() - i, " pipelines more");
      }
      out += cat(i == 0 ? "" : "; ", in_a_sentence(pipelines_[i]));
    }
    return out;
  }

  // Who has all others wait, where no note says it: "; all wait for b 2, which sleeps of its own
  // accord".
  std::string last_wait(const Pipeline& pipeline) const {
    for (const Finding& finding : diagnosis_.findings) {
      if (pipeline.contains(finding.culprit)) return "";
    }
    const StrongEdges edges(diagnosis_.edges);
    const Process* last = nullptr;
    for (const PipelineStage& stage : pipeline.stages) {
      const Process* process = scene_.find(stage.id);
      if (process == nullptr) return "";
      if (!is_at_rest(scene_, *process) && !scene_.holds_gate(process->id())) return "";
      if (edges.leave(node_of(*process))) continue;
      if (last != nullptr) return "";
      last = process;
    }
    if (last == nullptr) return "";
    const std::set<Node> elsewhere = edges.leading_elsewhere({node_of(*last)});
    const bool all_wait = std::ranges::none_of(pipeline.stages, [&](const PipelineStage& stage) {
      return elsewhere.contains(node_of(*scene_.find(stage.id)));
    });
    if (!all_wait) return "";
    return cat("; all wait for ", label_of(*last), ", which ", what_it_does(scene_, *last));
  }

  // "gpg 1 → zstd 2 → zfs 3 moved 45 MiB/s; slowest: zfs"
  std::string in_a_sentence(const Pipeline& pipeline) {
    std::vector<std::string> names;
    double fastest = -1;
    for (const PipelineStage& stage : pipeline.stages) {
      names.push_back(stage.label);
      const auto rate = scene_.rate(stage.id.pid);
      if (rate) fastest = std::max({fastest, rate->read, rate->written});
    }
    std::string out;
    if (pipeline.is_chain()) {
      for (const std::string& name : names) {
        if (!out.empty()) out += canvas_.ascii ? " -> " : " → ";
        out += name;
      }
    } else {
      if (names.size() > kNamesInASentence) {
        const size_t more = names.size() - kNamesInASentence;
        names.resize(kNamesInASentence);
        names.push_back(cat(more, " more"));
      }
      out = enumerate(names);
    }
    if (fastest >= 1) out += cat(" moved ", human_bytes(static_cast<uint64_t>(fastest)), "/s");
    if (fastest >= 0 && fastest < 1) out += cat(" moved nothing meanwhile", last_wait(pipeline));
    for (const Finding& finding : diagnosis_.findings) {
      if (finding.severity != Severity::info || finding.rule == nullptr) continue;
      if (std::string_view(finding.rule->id) != "R48" || !pipeline.contains(finding.culprit)) {
        continue;
      }
      out += cat("; slowest: ", name_or_pid(scene_, finding.culprit));
      slowest_ = &finding;
      break;
    }
    return out;
  }

  const Diagnosis& diagnosis_;
  const Scene& scene_;
  const Canvas& canvas_;
  const std::vector<Pipeline> pipelines_;
  std::set<const Pipeline*> shown_;
  const Finding* slowest_ = nullptr;
  std::string out_;
};

// What stands between quotes in dot(1); `text` is printable.
std::string dot_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string dot_quoted(std::string_view text) {
  return cat("\"", dot_escaped(printable(text)), "\"");
}

std::string dot_name(const Node& node) {
  return node.is_external() ? dot_quoted(node.external) : cat("p", node.process.pid);
}

}  // namespace

Verdict verdict_of(const Diagnosis& diagnosis, const Scene& scene) {
  if (diagnosis.is_stuck()) return Verdict::stuck;
  if (diagnosis.unknown.empty()) return Verdict::fine;
  const Unjudged unjudged(diagnosis);
  const bool any_judged = std::ranges::any_of(
      scene.processes(), [&](const Process* process) { return !unjudged.hold_up(process->id()); });
  return any_judged ? Verdict::fine : Verdict::unknown;
}

namespace {

bool is_unknown(const Diagnosis& diagnosis, const ProcessId& id) {
  return std::ranges::find(diagnosis.unknown, id, &Unknown::process) != diagnosis.unknown.end();
}

void admit_untold(Diagnosis& diagnosis, const Scene& scene, const Process& process) {
  if (process.is_zombie() || is_unknown(diagnosis, process.id())) return;
  const bool is_halted = process.stat.state == 'T' || process.stat.state == 't';
  if (process.descriptors || scene.is_told(process.stat.pid) || is_halted) return;
  const bool is_root = scene.now().machine.looker == 0;
  diagnosis.unknown.push_back(
      {.process = process.id(),
       .sentence = cat(label_of(process), ": neither its sleep nor its descriptors may be read",
                       is_root ? "" : "; run as root to see")});
}

void admit_unseen_waits(Diagnosis& diagnosis, const Scene& scene,
                        const std::vector<ProcessId>& named) {
  const StrongEdges edges(diagnosis.edges);
  for (const Process* process : scene.processes()) {
    std::optional<std::string> sentence = unseen_wait(scene, *process, diagnosis.findings);
    if (!sentence || is_unknown(diagnosis, process->id())) continue;
    const bool is_asked_for = std::ranges::any_of(named, [&](const ProcessId& id) {
      return edges.lead_only_to({node_of(*process)}, {.process = id, .external = {}});
    });
    if (!is_asked_for) continue;
    diagnosis.unknown.push_back({.process = process->id(), .sentence = std::move(*sentence)});
  }
}

}  // namespace

bool admit_unknown(Diagnosis& diagnosis, const Scene& scene, const std::vector<ProcessId>& named) {
  for (const ProcessId& id : named) {
    if (const Process* process = scene.find(id)) admit_untold(diagnosis, scene, *process);
  }
  if (named.empty()) return false;
  admit_unseen_waits(diagnosis, scene, named);
  const Unjudged unjudged(diagnosis);
  return std::ranges::all_of(named, [&](const ProcessId& id) { return unjudged.hold_up(id); });
}

std::string explain(const Diagnosis& diagnosis, const Scene& scene, const Canvas& canvas) {
  return Report(diagnosis, scene, canvas).text();
}

std::string explain_graph(const Diagnosis& diagnosis, const Scene& scene, const Canvas& canvas) {
  return Report(diagnosis, scene, canvas).graph();
}

std::string to_dot(const Diagnosis& diagnosis, const Scene& scene) {
  const std::set<ProcessId> marked = culprits(diagnosis);
  std::string out =
      "digraph penstock {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n";
  for (const Node& node : diagnosis.nodes) {
    if (node.is_external()) {
      out += cat("  ", dot_name(node), " [shape=ellipse];\n");
      continue;
    }
    const std::string label = cat("\"", dot_escaped(name_or_pid(scene, node.process)), "\\n",
                                  dot_escaped(describe_doing(scene, node.process.pid)), "\"");
    out += cat("  ", dot_name(node), " [label=", label,
               marked.contains(node.process) ? ", style=filled, fillcolor=tomato" : "", "];\n");
  }
  for (const Edge& edge : diagnosis.edges) {
    std::string label(name_of(edge.kind));
    if (edge.pipe != 0) label += cat(" ", edge.pipe);
    out += cat("  ", dot_name(edge.from), " -> ", dot_name(edge.to), " [label=", dot_quoted(label),
               edge.strong ? "" : ", style=dashed", "];\n");
  }
  return out + "}\n";
}

std::string headline(const Finding& finding) {
  std::string out;
  switch (finding.severity) {
    case Severity::stuck:
      out = "STUCK";
      if (finding.since_s) out += cat(" for ", describe_duration(*finding.since_s));
      break;
    case Severity::warning:
      out = "warning";
      break;
    case Severity::info:
      out = "note";
      break;
  }
  if (finding.rule == nullptr) return out;
  return cat(out, ": ", finding.rule->name, " (", finding.rule->id, ", ",
             name_of(finding.certainty), ")");
}

std::string describe_duration(double seconds) {
  if (!(seconds > 0)) return "0 s";
  if (seconds < 10) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.1f s", seconds);
    return text.data();
  }
  constexpr double kLongest = 1e12;
  const auto whole = static_cast<uint64_t>(std::min(seconds, kLongest));
  if (whole < 60) return cat(whole, " s");
  if (whole < 3600) return cat(whole / 60, " min ", whole % 60, " s");
  if (whole < 86400) return cat(whole / 3600, " h ", whole / 60 % 60, " min");
  return cat(whole / 86400, " d ", whole / 3600 % 24, " h");
}

}  // namespace penstock::doctor
