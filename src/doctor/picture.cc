#include "doctor/picture.h"

#include <algorithm>
#include <deque>
#include <iterator>
#include <map>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "base/text.h"

namespace penstock::doctor {

namespace {

constexpr size_t kNamesInALine = 4;
constexpr size_t kStagesInAList = 24;

std::string blanks(size_t count) {
  return std::string(count, ' ');
}

std::string padded(std::string_view text, size_t width) {
  const size_t size = columns(text);
  return cat(text, blanks(size < width ? width - size : 0));
}

std::string repeated(std::string_view sign, size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += sign;
  return out;
}

struct Signs {
  std::string_view line;
  std::string_view tip;
  std::string_view down;
  std::string_view culprit_left;
  std::string_view culprit_up;
};

const Signs& signs(const Canvas& canvas) {
  static constexpr Signs kUnicode{"─", "▶", "│", "◀ culprit", "▲ culprit"};
  static constexpr Signs kAscii{"-", ">", "|", "<- culprit", "^ culprit"};
  return canvas.ascii ? kAscii : kUnicode;
}

// The thread that says most about its process.
int importance(const Wait& wait) {
  switch (wait.kind) {
    case WaitKind::pipe_write:
      return 7;
    case WaitKind::pipe_read:
      return 6;
    case WaitKind::child:
      return 4;
    case WaitKind::poll:
      return 3;
    case WaitKind::futex:
      return 2;
    case WaitKind::untold:
      return 1;
    case WaitKind::awake:
      return 0;
    default:
      return 5;
  }
}

std::string describe_fill(const Scene& scene, ino_t pipe) {
  if (scene.gate(pipe) != nullptr && scene.gate(pipe)->shut) return "gate shut";
  if (scene.writable(pipe) == false) return "full";
  if (scene.is_empty(pipe) == true) return "empty";
  const procfs::PipeFacts* facts = scene.facts(pipe);
  if (facts == nullptr || !facts->queued) return "?";
  return *facts->queued == 0 ? "empty" : human_bytes(*facts->queued);
}

bool sleeps_on(const Scene& scene, pid_t pid, ino_t pipe) {
  return std::ranges::any_of(scene.waits_of(pid),
                             [&](const Wait* wait) { return wait->pipe == pipe; });
}

// The looked-at holders of one side of a pipe that do something with it: not our keeper, which only
// holds, and nobody who has passed the end on to a child.
std::vector<ProcessId> acting(const Scene& scene, ino_t pipe, const std::vector<Holder>& holders) {
  std::vector<ProcessId> out;
  for (const Holder& holder : holders) {
    const Process& process = *holder.process;
    if (!process.looked_at || process.stat.comm == "gatekeeper") continue;
    const bool passed_on = std::ranges::any_of(holders, [&](const Holder& other) {
      return other.process != &process && other.process->stat.comm != "gatekeeper" &&
             scene.is_ancestor(process.stat.pid, other.process->stat.pid);
    });
    if (passed_on && !sleeps_on(scene, process.stat.pid, pipe)) continue;
    out.push_back(process.id());
  }
  return out;
}

// A pipe with whoever acts on its two sides.
struct Joint {
  ino_t pipe = 0;
  std::vector<ProcessId> from;
  std::vector<ProcessId> to;

  bool joins() const {
    if (from.empty() || to.empty()) return false;
    return from.size() > 1 || to.size() > 1 || from != to;
  }
};

Joint joint_of(const Scene& scene, ino_t pipe) {
  const std::vector<Holder>& writers = scene.writers(pipe);
  const std::vector<Holder>& readers = scene.readers(pipe);
  Joint joint{
      .pipe = pipe, .from = acting(scene, pipe, writers), .to = acting(scene, pipe, readers)};
  // Somebody is there whom no table shows.
  if (writers.empty() && scene.has_writer(pipe) == true) joint.from.emplace_back();
  if (readers.empty() && scene.has_reader(pipe) == true) joint.to.emplace_back();
  return joint;
}

struct Hash {
  size_t operator()(const ProcessId& id) const { return std::hash<pid_t>{}(id.pid); }
};

// Who is fed by somebody else, while one after the other is taken away. Counted by joints and not
// by pairs: of a pipe that a thousand processes share there would be a million.
class Feeding {
 public:
  explicit Feeding(const std::vector<const Joint*>& joints) {
    for (const Joint* joint : joints) {
      feeders_.push_back({.joint = joint, .left = joint->from});
      feeders_.back().prepare();
    }
    for (Feeders& feeders : feeders_) {
      for (const ProcessId& id : feeders.left) writes_[id].push_back(&feeders);
      for (const ProcessId& id : feeders.joint->to) {
        if (feeders.feeds(id)) ++fed_by_[id];
      }
    }
  }

  bool is_fed(const ProcessId& id) const {
    const auto found = fed_by_.find(id);
    return found != fed_by_.end() && found->second > 0;
  }

  // Those who are not fed any more by that.
  std::vector<ProcessId> take_away(const ProcessId& id) {
    std::vector<ProcessId> unfed;
    const auto written = writes_.find(id);
    if (written == writes_.end()) return unfed;
    for (Feeders* feeders : written->second) {
      std::vector<ProcessId> fed;
      // Of three or more two are left, and whoever reads has one besides himself.
      if (feeders->left.size() <= 2) {
        std::ranges::copy_if(feeders->joint->to, std::back_inserter(fed), [&](const auto& reader) {
          return reader != id && feeders->feeds(reader);
        });
      }
      feeders->drop(id);
      for (const ProcessId& reader : fed) {
        if (!feeders->feeds(reader) && --fed_by_[reader] == 0) unfed.push_back(reader);
      }
    }
    return unfed;
  }

 private:
  struct Feeders {
    const Joint* joint = nullptr;
    std::vector<ProcessId> left;  // in their order, each once

    void prepare() {
      std::erase(left, ProcessId{});
      std::ranges::sort(left);
      left.erase(std::ranges::unique(left).begin(), left.end());
    }
    bool contains(const ProcessId& id) const { return std::ranges::binary_search(left, id); }
    bool feeds(const ProcessId& id) const { return left.size() > (contains(id) ? 1U : 0U); }
    void drop(const ProcessId& id) {
      const auto [first, last] = std::ranges::equal_range(left, id);
      left.erase(first, last);
    }
  };

  std::deque<Feeders> feeders_;  // stay where they are
  std::unordered_map<ProcessId, std::vector<Feeders*>, Hash> writes_;
  std::unordered_map<ProcessId, size_t, Hash> fed_by_;  // by how many joints
};

// Collects joints that have a process in common, and puts their stages in order.
class Assembly {
 public:
  explicit Assembly(const Scene& scene) : scene_(scene) {}

  void add(const Joint& joint) {
    for (const auto* side : {&joint.from, &joint.to}) {
      for (const ProcessId& id : *side) {
        if (id.pid != 0) members_.insert(id);
      }
    }
    joints_.push_back(&joint);
  }

  Pipeline pipeline() {
    sort();
    Pipeline out;
    out.stages.reserve(order_.size());
    out.flows.reserve(joints_.size());
    for (const ProcessId& id : order_) add_stage(out, id);
    for (const Joint* joint : joints_) add_flow(out, *joint);
    std::ranges::sort(out.flows, {}, [](const PipelineFlow& flow) {
      return flow.from.empty() ? size_t{0} : *std::ranges::min_element(flow.from);
    });
    return out;
  }

 private:
  void add_stage(Pipeline& out, const ProcessId& id) {
    const Process* process = scene_.find(id);
    places_.emplace(id, out.stages.size());
    out.stages.push_back({.id = id,
                          .label = process == nullptr ? cat(id.pid) : label_of(*process),
                          .doing = describe_doing(scene_, id.pid)});
  }

  size_t index_of(Pipeline& out, const ProcessId& id, bool in_front) {
    const auto found = places_.find(id);
    if (id.pid != 0 && found != places_.end()) return found->second;
    PipelineStage hidden{.id = {}, .label = "?", .doing = "not visible"};
    if (!in_front) {
      out.stages.push_back(std::move(hidden));
      return out.stages.size() - 1;
    }
    out.stages.insert(out.stages.begin(), std::move(hidden));
    for (auto& [member, place] : places_) ++place;
    for (PipelineFlow& flow : out.flows) {
      for (size_t& i : flow.from) ++i;
      for (size_t& i : flow.to) ++i;
    }
    return 0;
  }

  void add_flow(Pipeline& out, const Joint& joint) {
    PipelineFlow flow{.pipe = joint.pipe, .fill = describe_fill(scene_, joint.pipe)};
    for (const ProcessId& id : joint.from) flow.from.push_back(index_of(out, id, true));
    for (const ProcessId& id : joint.to) flow.to.push_back(index_of(out, id, false));
    out.flows.push_back(std::move(flow));
  }

  // Those whom nobody left over feeds come first; in a circle, whoever has the lowest pid.
  void sort() {
    Feeding feeding(joints_);
    std::set<ProcessId> left = members_;
    std::set<ProcessId> unfed;
    for (const ProcessId& id : left) {
      if (!feeding.is_fed(id)) unfed.insert(unfed.end(), id);
    }
    while (!left.empty()) {
      const ProcessId next = unfed.empty() ? *left.begin() : *unfed.begin();
      order_.push_back(next);
      left.erase(next);
      unfed.erase(next);
      for (const ProcessId& id : feeding.take_away(next)) {
        if (left.contains(id)) unfed.insert(id);
      }
    }
  }

  const Scene& scene_;
  std::vector<const Joint*> joints_;
  std::set<ProcessId> members_;
  std::vector<ProcessId> order_;
  std::unordered_map<ProcessId, size_t, Hash> places_;  // of the members, in the pipeline's stages
};

// For each joint the number of its group: joints of one group are connected.
std::vector<size_t> groups_of(const std::vector<Joint>& joints) {
  std::vector<size_t> group(joints.size());
  std::iota(group.begin(), group.end(), size_t{0});
  auto root = [&](size_t i) {
    while (group[i] != i) i = group[i] = group[group[i]];
    return i;
  };
  std::unordered_map<ProcessId, size_t, Hash> first_seen;
  for (size_t i = 0; i < joints.size(); ++i) {
    for (const auto* side : {&joints[i].from, &joints[i].to}) {
      for (const ProcessId& id : *side) {
        if (id.pid == 0) continue;
        const auto [seen, is_new] = first_seen.emplace(id, i);
        if (!is_new) group[root(i)] = root(seen->second);
      }
    }
  }
  for (size_t i = 0; i < joints.size(); ++i) group[i] = root(i);
  return group;
}

std::string names(const Pipeline& pipeline, const std::vector<size_t>& indices) {
  std::string out;
  for (size_t i = 0; i < indices.size(); ++i) {
    if (i == kNamesInALine && indices.size() > kNamesInALine + 1) {
      return cat(out, " and ", indices.size() - i, " more");
    }
    if (i > 0) out += ", ";
    out += pipeline.stages[indices[i]].label;
  }
  return out;
}

// "gpg 1 ────▶ zstd 2", and under it what stages and pipes do; nothing if it is too wide.
std::string draw_across(const Pipeline& pipeline, const std::set<ProcessId>& marked,
                        const Canvas& canvas) {
  std::string top = "  ";
  std::string below = "  ";
  std::string marks = "  ";
  for (size_t i = 0; i < pipeline.stages.size(); ++i) {
    const PipelineStage& stage = pipeline.stages[i];
    const bool is_marked = marked.contains(stage.id);
    const std::string mark(is_marked ? signs(canvas).culprit_up : "");
    if (i + 1 == pipeline.stages.size()) {
      top += stage.label;
      below += stage.doing;
      marks += mark;
      break;
    }
    const std::string& fill = pipeline.flows[i].fill;
    const size_t width =
        std::max({columns(stage.label) + 1, columns(stage.doing) + 2, columns(mark) + 2});
    const size_t arrow = columns(fill) + 3;
    const size_t dashes = width + arrow - columns(stage.label) - 3;
    top += cat(stage.label, " ", repeated(signs(canvas).line, dashes), signs(canvas).tip, " ");
    below += cat(padded(stage.doing, width), padded(fill, arrow));
    marks += padded(mark, width + arrow);
  }
  if (std::max({columns(top), columns(below), columns(marks)}) > canvas.width) return "";
  const size_t end = marks.find_last_not_of(' ');
  marks = end == std::string::npos ? "" : cat(marks.substr(0, end + 1), "\n");
  return cat(top, "\n", below, "\n", marks);
}

// "  gpg 1   asleep in poll  ◀ culprit", the names padded to one width.
std::string stage_line(std::string_view indent, const PipelineStage& stage, size_t width,
                       bool is_marked, const Canvas& canvas) {
  const std::string mark = is_marked ? cat("  ", signs(canvas).culprit_left) : "";
  return wrapped(cat(indent, padded(stage.label, width), "  "), cat(stage.doing, mark), canvas);
}

std::string draw_down(const Pipeline& pipeline, const std::set<ProcessId>& marked,
                      const Canvas& canvas) {
  size_t width = 0;
  for (const PipelineStage& stage : pipeline.stages) width = std::max(width, columns(stage.label));
  std::string out;
  for (size_t i = 0; i < pipeline.stages.size(); ++i) {
    const PipelineStage& stage = pipeline.stages[i];
    if (i > 0) out += cat("    ", signs(canvas).down, " ", pipeline.flows[i - 1].fill, "\n");
    out += stage_line("  ", stage, width, marked.contains(stage.id), canvas);
  }
  return out;
}

// For whatever is no chain: the pipes one by one, then the processes one by one.
std::string draw_list(const Pipeline& pipeline, const std::set<ProcessId>& marked,
                      const Canvas& canvas) {
  const std::string arrow = cat(" ", repeated(signs(canvas).line, 2), signs(canvas).tip, " ");
  std::string out;
  for (const PipelineFlow& flow : pipeline.flows) {
    out += wrapped("  ",
                   cat(names(pipeline, flow.from), arrow, names(pipeline, flow.to), "  (pipe ",
                       flow.pipe, ": ", flow.fill, ")"),
                   canvas);
  }
  size_t width = 0;
  for (const PipelineStage& stage : pipeline.stages) width = std::max(width, columns(stage.label));
  size_t shown = 0;
  size_t left_out = 0;
  for (const PipelineStage& stage : pipeline.stages) {
    const bool is_marked = marked.contains(stage.id);
    if (stage.id.pid == 0) continue;
    if (++shown > kStagesInAList && !is_marked) {
      ++left_out;
      continue;
    }
    out += stage_line("    ", stage, width, is_marked, canvas);
  }
  if (left_out > 0) out += cat("    and ", left_out, " more\n");
  return out;
}

}  // namespace

bool Pipeline::is_chain() const {
  if (flows.size() + 1 != stages.size()) return false;
  for (size_t i = 0; i < flows.size(); ++i) {
    if (flows[i].from != std::vector<size_t>{i} || flows[i].to != std::vector<size_t>{i + 1}) {
      return false;
    }
  }
  return true;
}

bool Pipeline::contains(const ProcessId& id) const {
  return std::ranges::any_of(stages, [&](const PipelineStage& stage) { return stage.id == id; });
}

std::vector<Pipeline> pipelines(const Scene& scene) {
  std::vector<Joint> joints;
  for (const ino_t pipe : scene.pipes()) {
    Joint joint = joint_of(scene, pipe);
    if (joint.joins()) joints.push_back(std::move(joint));
  }
  const std::vector<size_t> groups = groups_of(joints);
  std::map<size_t, Assembly> assemblies;
  for (size_t i = 0; i < joints.size(); ++i) {
    assemblies.try_emplace(groups[i], scene).first->second.add(joints[i]);
  }
  std::vector<Pipeline> out;
  out.reserve(assemblies.size());
  for (auto& [group, assembly] : assemblies) out.push_back(assembly.pipeline());
  return out;
}

std::string describe_doing(const Scene& scene, pid_t pid) {
  const Process* process = scene.find(pid);
  if (process == nullptr) return "gone";
  if (process->is_zombie()) return std::string(name_of(WaitKind::zombie));
  if (!process->looked_at) return "not looked at";
  const Wait* best = nullptr;
  for (const Wait* wait : scene.waits_of(pid)) {
    if (best == nullptr ||
        std::pair(wait->steady, importance(*wait)) > std::pair(best->steady, importance(*best))) {
      best = wait;
    }
  }
  if (best == nullptr) return "not told";
  if (best->steady || best->kind == WaitKind::untold) return std::string(name_of(best->kind));
  if (best->kind == WaitKind::pipe_read) return "reading";
  if (best->kind == WaitKind::pipe_write) return "writing";
  return "running";
}

std::string label_of(const Process& process) {
  std::string name = printable(process.stat.comm);
  const bool has_verbs = process.stat.comm == "zfs" || process.stat.comm == "btrfs";
  if (has_verbs && process.arguments && process.arguments->size() > 1) {
    name += cat(" ", printable((*process.arguments)[1]).substr(0, 12));
  }
  return cat(name, " ", process.stat.pid);
}

std::string draw(const Pipeline& pipeline, const std::set<ProcessId>& marked,
                 const Canvas& canvas) {
  if (!pipeline.is_chain()) return draw_list(pipeline, marked, canvas);
  std::string across = draw_across(pipeline, marked, canvas);
  return across.empty() ? draw_down(pipeline, marked, canvas) : across;
}

size_t columns(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::string wrapped(std::string_view first, std::string_view text, const Canvas& canvas) {
  const size_t indent = columns(first);
  std::string out(first);
  size_t column = indent;
  bool at_start = true;
  while (!text.empty()) {
    const size_t end = text.find(' ');
    const std::string_view word = text.substr(0, end);
    if (!at_start && column + 1 + columns(word) > canvas.width) {
      out += cat("\n", blanks(indent));
      column = indent;
      at_start = true;
    }
    if (!at_start) {
      out += ' ';
      ++column;
    }
    out += word;
    column += columns(word);
    at_start = false;
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return cat(out, "\n");
}

}  // namespace penstock::doctor
