#include "doctor/gate_text.h"

#include <charconv>

namespace penstock::doctor {

namespace {

// All of `text` as a number of T's range; nothing otherwise.
template <typename T>
std::optional<T> number(std::string_view text) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// What stands before the first `mark`, which goes with it; all of it if there is none.
std::string_view take_until(std::string_view& text, char mark) {
  const size_t at = text.find(mark);
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return taken;
}

std::optional<GateText::Stage> parse_stage(std::string_view text) {
  const auto pid = number<pid_t>(take_until(text, ' '));
  const auto start_time = number<uint64_t>(take_until(text, ' '));
  if (!pid || !start_time || *pid < 0) return std::nullopt;
  return GateText::Stage{.id = {.pid = *pid, .start_time = *start_time}, .name = std::string(text)};
}

// False: a value that the format does not know. Keys of later versions are passed over.
bool parse_line(GateText& gate, std::string_view key, std::string_view value) {
  if (key == "pipe" || key == "upstream") {
    const auto inode = number<ino_t>(value);
    if (inode) (key == "pipe" ? gate.pipe : gate.upstream) = *inode;
    return inode.has_value();
  }
  if (key == "stage") {
    auto stage = parse_stage(value);
    if (stage) gate.stages.push_back(std::move(*stage));
    return stage.has_value();
  }
  if (key == "state") gate.shut = value == "shut";
  if (key == "queue") gate.queue = value;
  if (key == "job") gate.job = value;
  return true;
}

}  // namespace

std::optional<GateText> parse_gate_text(std::string_view text) {
  if (take_until(text, '\n') != "penstock-gate 1") return std::nullopt;
  GateText gate;
  while (!text.empty()) {
    std::string_view line = take_until(text, '\n');
    const std::string_view key = take_until(line, '=');
    if (!parse_line(gate, key, line)) return std::nullopt;
  }
  if (gate.pipe == 0) return std::nullopt;
  return gate;
}

}  // namespace penstock::doctor
