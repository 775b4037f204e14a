// What a gate says of itself: the content of the memfd beside it (docs/formats/gate-memfd.md).
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "procfs/process_table.h"

namespace penstock::doctor {

struct GateText {
  ino_t pipe = 0;
  ino_t upstream =
      0;  // the pipe that the holder's last link reads; 0: the decoder writes into the gate
  bool shut = true;
  std::string queue;
  std::string job;
  struct Stage {
    procfs::ProcessId id;
    std::string name;
  };
  std::vector<Stage> stages;               // the command last
  std::vector<procfs::ProcessId> holders;  // filled by the scene: who holds the memfd
};

// Nothing if it is not what the format says.
std::optional<GateText> parse_gate_text(std::string_view text);

}  // namespace penstock::doctor
