// Chapter D of docs/diagnosis/rules.md: processes that wait for each other.
//
// A circle of edges alone is no proof, since a wait may have several who can end it. Proof is
// WaitGraph::deadlocked(): of these nobody can go on whatever happens among them.
#include <algorithm>

#include "base/text.h"
#include "doctor/looking.h"
#include "doctor/strays.h"

namespace penstock::doctor {

namespace {

bool is_deadlocked(const Examination& examination, const Process& process) {
  return examination.graph.deadlocked().contains(node_of(process));
}

bool holds(const std::vector<Holder>& holders, const Process& process) {
  return std::ranges::any_of(holders,
                             [&](const Holder& holder) { return holder.process == &process; });
}

// A circle has no end, so everybody else in it is a victim of the one that we blame, too.
void start_circle(Examination& examination, const RuleInfo& rule, const Process& culprit,
                  ino_t pipe) {
  Finding finding = finding_about(examination, rule, culprit);
  finding.severity = Severity::stuck;
  finding.certainty = Certainty::certain;
  finding.pipe = pipe;
  examination.findings.push_back(std::move(finding));
}

void add_conduct(Examination& examination, const Process& process) {
  examination.findings.back().evidence.push_back(
      cat(name_of(process), " ", what_it_does(examination.scene, process)));
}

void end_circle(Examination& examination, const Process& first, const Process& second) {
  Finding& finding = examination.findings.back();
  add_conduct(examination, first);
  add_conduct(examination, second);
  Remedy remedy = end_pipeline(examination.scene, second);
  finding.remedies.push_back(std::move(remedy));
}

void look_for_wait_before_drain(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const Wait* wait : scene.steady(WaitKind::pipe_write)) {
    const Process& child = *scene.find(wait->process);
    if (wait->pipe == 0 || !is_deadlocked(examination, child)) continue;
    for (const Holder& reader : scene.readers(wait->pipe)) {
      const Process& parent = *reader.process;
      if (!scene.is_ancestor(parent.stat.pid, child.stat.pid)) continue;
      if (!is_deadlocked(examination, parent) || examination.explained(parent.id())) continue;
      if (steady_wait(scene, parent, {WaitKind::child}) == nullptr) continue;
      start_circle(examination, rule, parent, wait->pipe);
      examination.findings.back().sentence =
          cat(name_of(parent), " waits for ", name_of(child), " to end before it reads pipe ",
              wait->pipe, "; ", name_of(child), " cannot end before the pipe is read (",
              scene.describe(wait->pipe), ").");
      end_circle(examination, parent, child);
      break;
    }
  }
}

void look_for_wrong_stream(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const Wait* reads : scene.steady(WaitKind::pipe_read)) {
    const Process& reader = *scene.find(reads->process);
    if (reads->pipe == 0 || !is_deadlocked(examination, reader)) continue;
    for (const Wait* writes : scene.steady(WaitKind::pipe_write)) {
      const Process& writer = *scene.find(writes->process);
      if (&writer == &reader || writes->pipe == reads->pipe) continue;
      if (!is_deadlocked(examination, writer) || examination.explained(reader.id())) continue;
      if (!holds(scene.readers(writes->pipe), reader)) continue;
      if (!holds(scene.writers(reads->pipe), writer)) continue;
      start_circle(examination, rule, reader, writes->pipe);
      examination.findings.back().sentence =
          cat(name_of(reader), " reads pipe ", reads->pipe, " to its end first, and ",
              name_of(writer), " writes to pipe ", writes->pipe, ", which nobody reads meanwhile (",
              scene.describe(writes->pipe), ").");
      end_circle(examination, reader, writer);
    }
  }
}

void look_for_feeding_first(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const Wait* feeds : scene.steady(WaitKind::pipe_write)) {
    const Process& parent = *scene.find(feeds->process);
    if (feeds->pipe == 0 || !is_deadlocked(examination, parent)) continue;
    for (const Wait* answers : scene.steady(WaitKind::pipe_write)) {
      const Process& child = *scene.find(answers->process);
      if (&child == &parent || answers->pipe == feeds->pipe) continue;
      if (!is_deadlocked(examination, child) || examination.explained(child.id())) continue;
      if (examination.explained(parent.id())) continue;
      if (!holds(scene.readers(answers->pipe), parent)) continue;
      if (!holds(scene.readers(feeds->pipe), child)) continue;
      // Each writes to the other: the one that started the other is to blame, else the elder.
      if (scene.is_ancestor(child.stat.pid, parent.stat.pid)) continue;
      start_circle(examination, rule, parent, answers->pipe);
      examination.findings.back().sentence = cat(
          name_of(parent), " writes all of its input into pipe ", feeds->pipe, " (",
          scene.describe(feeds->pipe), ") before it reads pipe ", answers->pipe, ", into which ",
          name_of(child), " wants to answer (", scene.describe(answers->pipe), ").");
      end_circle(examination, parent, child);
    }
  }
}

void look_for_full_self_pipes(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const Wait* wait : scene.steady(WaitKind::pipe_write)) {
    const std::vector<Holder>& readers = scene.readers(wait->pipe);
    if (wait->pipe == 0 || readers.size() != 1) continue;
    const Process& process = *scene.find(wait->process);
    if (readers.front().process != &process || !is_deadlocked(examination, process)) continue;
    start_circle(examination, rule, process, wait->pipe);
    examination.findings.back().sentence =
        cat(name_of(process), " writes to pipe ", wait->pipe, ", which is full (",
            scene.describe(wait->pipe), ") and which nobody but itself could read.");
    add_conduct(examination, process);
    examination.findings.back().remedies.push_back(end_pipeline(scene, process));
  }
}

// Whom it keeps from ending: one that reads a pipe which it holds open for writing.
const Wait* kept_waiting(const Examination& examination, const Process& parent) {
  const Scene& scene = examination.scene;
  for (const Wait* wait : scene.steady(WaitKind::pipe_read)) {
    if (wait->pipe == 0 || scene.gate(wait->pipe) != nullptr) continue;
    const Process& reader = *scene.find(wait->process);
    if (&reader == &parent || !is_deadlocked(examination, reader)) continue;
    if (!scene.is_ancestor(parent.stat.pid, reader.stat.pid)) continue;
    if (holds(scene.writers(wait->pipe), parent)) return wait;
  }
  return nullptr;
}

void look_for_waiting_close(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const Wait* wait : scene.steady(WaitKind::child)) {
    const Process& parent = *scene.find(wait->process);
    if (!is_deadlocked(examination, parent) || examination.explained(parent.id())) continue;
    const Wait* kept = kept_waiting(examination, parent);
    if (kept == nullptr) continue;
    const Process& reader = *scene.find(kept->process);
    start_circle(examination, rule, parent, kept->pipe);
    examination.findings.back().sentence =
        cat(name_of(parent), " waits for a child to end, and itself holds the write end of pipe ",
            kept->pipe, ", whose end ", name_of(reader), " waits for.");
    end_circle(examination, parent, reader);
  }
}

using Circle = std::vector<const Edge*>;

bool is_proof(const WaitGraph& graph, const Circle& circle) {
  return std::ranges::all_of(circle, [&](const Edge* edge) {
    return edge->strong && graph.deadlocked().contains(edge->from);
  });
}

bool is_suspect(const WaitGraph& graph, const Circle& circle) {
  return std::ranges::all_of(
      circle, [&](const Edge* edge) { return graph.possibly_deadlocked().contains(edge->from); });
}

// The one that started the others, if there is one; else the eldest.
const Process& elder_of(const Scene& scene, const Circle& circle) {
  const Process* elder = scene.find(circle.front()->from.process);
  for (const Edge* edge : circle) {
    const Process* process = scene.find(edge->from.process);
    const bool is_older = process->stat.start_time < elder->stat.start_time;
    if (scene.is_ancestor(process->stat.pid, elder->stat.pid) || is_older) elder = process;
  }
  return *elder;
}

// An end at none of the three standard descriptors was perhaps inherited by mistake (R11, R17).
void add_odd_ends(const Scene& scene, const Circle& circle, Finding& finding) {
  for (const Edge* edge : circle) {
    if (edge->kind != EdgeKind::pipe_empty && edge->kind != EdgeKind::pipe_full) continue;
    const bool writes = edge->kind == EdgeKind::pipe_empty;
    for (const Holder& holder : writes ? scene.writers(edge->pipe) : scene.readers(edge->pipe)) {
      if (holder.process->id() != edge->to.process || !holds_beyond(holder, 2)) continue;
      finding.evidence.push_back(
          cat(name_of(*holder.process), " has the ", writes ? "write" : "read", " end of pipe ",
              edge->pipe, " at descriptor ", holder.fds.front(), ", perhaps by mistake"));
    }
  }
}

void look_for_circles(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  std::set<ProcessId> told;
  for (const Circle& circle : examination.graph.cycles()) {
    // To itself alone is a matter of R15 and R23.
    if (circle.size() < 2) continue;
    const bool proof = is_proof(examination.graph, circle);
    if (!proof && !is_suspect(examination.graph, circle)) continue;
    const bool is_known = std::ranges::any_of(circle, [&](const Edge* edge) {
      return examination.explained(edge->from.process) || told.contains(edge->from.process);
    });
    if (is_known) continue;
    for (const Edge* edge : circle) told.insert(edge->from.process);
    const Process& elder = elder_of(scene, circle);
    Finding finding = finding_about(examination, rule, elder);
    // Two that poll each other are perhaps just done for the moment.
    finding.severity = proof ? Severity::stuck : Severity::info;
    finding.certainty = proof ? Certainty::certain : Certainty::possible;
    if (circle.front()->pipe != 0) finding.pipe = circle.front()->pipe;
    finding.sentence = cat(circle.size(), " processes wait for each other in a circle, ",
                           name_of(elder), " among them.");
    for (const Edge* edge : circle) finding.evidence.push_back(edge->sentence);
    add_odd_ends(scene, circle, finding);
    if (proof) finding.remedies.push_back(end_pipeline(scene, elder));
    examination.findings.push_back(std::move(finding));
  }
}

bool is_make(const Process& process) {
  return is_program(process, {"make", "gmake", "ninja", "cargo"});
}

// A dead child that stays so in both snapshots: the make does not hear of it while it sleeps.
const Process* unreaped_child(const Scene& scene, const Process& make) {
  for (const Process* child : scene.children(make.stat.pid)) {
    const Process* before = was(scene, *child);
    if (child->is_zombie() && before != nullptr && before->is_zombie()) return child;
  }
  return nullptr;
}

void look_for_lost_tokens(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const ino_t pipe : scene.pipes()) {
    if (scene.is_empty(pipe) != true) continue;
    std::vector<const Process*> makes;
    const Process* dead = nullptr;
    for (const Wait* wait : scene.steady_on(WaitKind::pipe_read, pipe)) {
      const Process& process = *scene.find(wait->process);
      if (!is_make(process) || !holds(scene.writers(pipe), process)) continue;
      makes.push_back(&process);
      if (dead == nullptr) dead = unreaped_child(scene, process);
    }
    if (makes.size() < 2 || dead == nullptr) continue;
    // The token may come back from anybody who has the pipe and is still at work.
    const bool somebody_works = std::ranges::any_of(scene.writers(pipe), [&](const Holder& holder) {
      return scene.moved(holder.process->stat.pid);
    });
    if (somebody_works) continue;
    Finding finding = finding_about(examination, rule, *makes.front());
    finding.severity = Severity::stuck;
    finding.certainty = Certainty::likely;
    finding.pipe = pipe;
    finding.sentence =
        cat(makes.size(), " makes wait for a token in pipe ", pipe, ", which is empty, while ",
            name_of(*dead), " has ended and is not reaped: its token was lost.");
    for (const Process* make : makes) {
      finding.evidence.push_back(cat(name_of(*make), " ", what_it_does(scene, *make)));
    }
    finding.evidence.push_back(cat(name_of(*dead), ": state Z in both snapshots"));
    finding.remedies.push_back(
        by_hand(*makes.front(),
                cat("printf + > ", "/proc/", makes.front()->stat.pid, "/fd/",
                    [&] {
                      for (const Holder& holder : scene.writers(pipe)) {
                        if (holder.process == makes.front()) return holder.fds.front();
                      }
                      return -1;
                    }()),
                "one job more at a time than was asked for, if the token was not lost"));
    finding.remedies.push_back(end_pipeline(scene, *makes.front()));
    examination.findings.push_back(std::move(finding));
  }
}

constexpr Rule kRules[] = {
    {{.id = "R20",
      .name = "waits for the end before reading",
      .signature = "A parent waits for its children; one of them sleeps in a write to a full pipe "
                   "that only the parent can read, and no thread of either can go on.",
      .sentence = "The output is larger than a pipe holds, and the parent reads it only "
                  "afterwards.",
      .advice = "A bug of the parent's: it must read first, or meanwhile. End the child.",
      .reference = "rust-lang/rust#27152, oshi/oshi#95, opencontainers/runc#2530"},
     look_for_wait_before_drain},
    {{.id = "R21",
      .name = "drains one stream before the other",
      .signature = "A process sleeps in a read of an empty pipe; whoever writes that pipe sleeps "
                   "in a write to another, full one, which the first should read.",
      .sentence = "Standard output is read to its end first, and standard error fills up "
                  "meanwhile.",
      .advice = "A bug of the reader's: both must be read at once. End the writer.",
      .reference = "genehack/Git-Wrapper#100, FelixKrueger/TrimGalore#205, "
                   "gitpython-developers/GitPython#357"},
     look_for_wrong_stream},
    {{.id = "R22",
      .name = "feeds everything before reading",
      .signature = "Two processes each sleep in a write to a full pipe that only the other reads.",
      .sentence = "All of the input is written before any of the output is read; both pipes are "
                  "full.",
      .advice = "A bug of the one that feeds. End the other.",
      .reference = "rust-lang/rust#82943, GitoxideLabs/gitoxide#2080, martian56/raven#404"},
     look_for_feeding_first},
    {{.id = "R23",
      .name = "pipe to itself is full",
      .signature = "A process sleeps in a write to a full pipe that only it could read, and no "
                   "other thread of it is at work.",
      .sentence = "It wakes or feeds itself through a pipe, and nobody is left to empty it.",
      .advice = "A bug of that program's. End it.",
      .reference = "booksbyus/zguide#812, uutils/coreutils#14210"},
     look_for_full_self_pipes},
    {{.id = "R24",
      .name = "close that waits for a child that waits for an end",
      .signature = "A parent waits for a child while it holds a write end whose reader, a "
                   "descendant, sleeps on the empty pipe; neither can go on.",
      .sentence = "Typical of several popen pipes open for writing: the second child has the first "
                  "one's write end, too.",
      .advice = "A bug of the parent's: all write ends must be closed before it waits.",
      .reference = "famzah/popen-noshell#7, Perl/perl5#953"},
     look_for_waiting_close},
    {{.id = "R25",
      .name = "circle of waits",
      .signature = "The wait-for graph has a circle none of whose members can go on otherwise. "
                   "Where polls are part of it, it is only possible.",
      .sentence = "Each waits for the next, and the last for the first.",
      .advice = "End one of them.",
      .reference = "general form of R20 to R24"},
     look_for_circles},
    {{.id = "R26",
      .name = "lost jobserver token",
      .signature = "Two makes or more sleep in a read of one empty pipe of which they hold both "
                   "ends, a dead child under one of them is not reaped, and nobody who has the "
                   "pipe is at work.",
      .sentence = "A job ended without giving its token back, or the make that should hear of it "
                  "sleeps in the read.",
      .advice = "Write the missing token, or end the make and use a newer one.",
      .reference = "https://lore.kernel.org/all/"
                   "CAHk-=wicgTacrHUJmSBbW9MYAdMPdrXzULPNqQ3G7+HkLeNf1Q@mail.gmail.com, "
                   "navaro1/gh-klon#21"},
     look_for_lost_tokens},
};

}  // namespace

std::span<const Rule> cycle_rules() {
  return kRules;
}

}  // namespace penstock::doctor
