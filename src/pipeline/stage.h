// pipeline/: from a pipeline as written to processes with a gate before the command. It knows job
// files only as bytes with a header in front, and nothing of queues.
#pragma once

#include <string>
#include <vector>

namespace penstock::pipeline {

// One redirection of a stage, applied in order after its standard streams are in place.
struct Redirect {
  enum class Mode { read, write, append, duplicate };
  int fd = 0;  // which descriptor of the stage (0 to 9)
  Mode mode = Mode::write;
  std::string path;  // read, write, append: what to open
  int from_fd = -1;  // duplicate: a copy of this descriptor of the stage

  bool operator==(const Redirect&) const = default;
};

// A process of a pipeline, as planned. argv[0] is looked up in PATH unless it has a '/'.
struct StageSpec {
  std::vector<std::string> argv;
  std::vector<Redirect> redirects;
  // A shell that runs a string we do not see through: its own stages are hidden from us.
  bool opaque = false;
  // It parses what strangers have written: see docs/decisions/0008-sandbox.md.
  bool sandboxed = false;
  std::vector<std::string> may_write;  // sandboxed: directories that it may write to all the same

  bool operator==(const StageSpec&) const = default;
};

}  // namespace penstock::pipeline
