#include "pipeline/stage_sandbox.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/text.h"

namespace penstock::pipeline {

bool is_gpg(const StageSpec& stage) {
  const std::string_view program = base_name(stage.argv.at(0));
  return program == "gpg" || program == "gpg2";
}

void confine(StageSpec& stage, const std::vector<std::string>& may_write) {
  stage.sandboxed = true;
  stage.may_write = may_write;
  if (is_gpg(stage)) stage.argv.insert(stage.argv.begin() + 1, "--lock-never");
}

sys::Sockets sockets_for(const StageSpec& stage) {
  static constexpr auto kThatSpeak = std::to_array<std::string_view>(
      {"gpg", "gpg2", "gpgsm", "sh", "bash", "dash", "ksh", "zsh", "fish"});
  const std::string_view program = base_name(stage.argv.at(0));
  const bool speaks = stage.opaque || std::ranges::find(kThatSpeak, program) != kThatSpeak.end();
  return speaks ? sys::Sockets::local : sys::Sockets::none;
}

std::optional<sys::Sandbox> make_sandbox(const StageSpec& stage) {
  if (!stage.sandboxed) return std::nullopt;
  return sys::Sandbox({.sockets = sockets_for(stage), .may_write = stage.may_write});
}

}  // namespace penstock::pipeline
