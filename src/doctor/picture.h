// The pipelines of a scene, drawn: processes as stages, pipes as arrows, and under each what it
// does. For any front end that shows text.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "doctor/scene.h"

namespace penstock::doctor {

struct Canvas {
  size_t width = 80;
  bool ascii = false;  // the terminal knows no lines and arrows
};

struct PipelineStage {
  ProcessId id;       // pid 0: somebody who is not visible
  std::string label;  // "zfs receive 4711"
  std::string doing;  // "asleep in read"
};

// One pipe between stages, as indices into them.
struct PipelineFlow {
  ino_t pipe = 0;
  std::vector<size_t> from;
  std::vector<size_t> to;
  std::string fill;  // "full", "empty", "32.0 KiB"
};

// Processes that pipes join, upstream first.
struct Pipeline {
  std::vector<PipelineStage> stages;
  std::vector<PipelineFlow> flows;

  // Whether each stage feeds the next one and nobody else; flows are then in the same order.
  bool is_chain() const;
  bool contains(const ProcessId& id) const;
};

// Of all looked-at processes. Those that only pass an end on to their children are left out, and
// so are those without any pipe to another one.
std::vector<Pipeline> pipelines(const Scene& scene);

// What one process does, in a few words.
std::string describe_doing(const Scene& scene, pid_t pid);
// "zfs receive 4711"
std::string label_of(const Process& process);

// Lines, each with two blanks in front; `marked` are the culprits. As wide as the canvas allows;
// one stage a line where that is not enough.
std::string draw(const Pipeline& pipeline, const std::set<ProcessId>& marked, const Canvas& canvas);

// How many columns a text takes: its characters, not its bytes.
size_t columns(std::string_view text);
// `text` in lines of at most the canvas' width: the first behind `first`, the others behind as many
// blanks.
std::string wrapped(std::string_view first, std::string_view text, const Canvas& canvas);

}  // namespace penstock::doctor
