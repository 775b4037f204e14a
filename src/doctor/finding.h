// What the doctor says: findings with their evidence, in the shape of docs/diagnosis/rules.md.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "doctor/remedy.h"
#include "procfs/process_table.h"

namespace penstock::doctor {

using procfs::ProcessId;

enum class Severity : uint8_t { stuck, warning, info };
enum class Certainty : uint8_t { certain, likely, possible };

struct RuleInfo {
  const char* id = nullptr;         // "R01"
  const char* name = nullptr;       // "lost wakeup": a noun phrase
  const char* signature = nullptr;  // what must be seen, for the manual
  const char* sentence = nullptr;   // what it means, for the manual
  const char* advice = nullptr;     // what to do, for the manual
  const char* reference = nullptr;  // where the case is known from
};

struct Finding {
  const RuleInfo* rule = nullptr;
  Severity severity = Severity::stuck;
  Certainty certainty = Certainty::possible;
  ProcessId culprit;                  // pid 0: something outside (a pool, a peer)
  std::vector<ProcessId> companions;  // struck by the same together with the culprit
  std::vector<ProcessId> victims;     // who waits for the culprit, the nearest first
  std::optional<ino_t> pipe;          // the one that it is about
  bool hidden_holder = false;         // an end of that pipe is held where no table shows it
  std::optional<double> since_s;      // how long at least, where that can be told
  std::string sentence;               // one or two sentences for people, with names and numbers
  std::vector<std::string> evidence;  // the raw facts, so that a person can check
  std::vector<Remedy> remedies;       // the first is the one to try first
};

// Who could not be judged, and why: "zfs 4711: its sleep is not told; run as root to see".
struct Unknown {
  ProcessId process;
  std::string sentence;
};

std::string_view name_of(Severity severity);
std::string_view name_of(Certainty certainty);

}  // namespace penstock::doctor
