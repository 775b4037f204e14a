#include "base/log.h"

#include <unistd.h>

#include <cerrno>

namespace penstock {

namespace {

struct State {
  LogLevel level = LogLevel::info;
  std::string prefix = "penstock";
  void (*before_line)() = nullptr;
};

State& state() {
  static State the_state;
  return the_state;
}

std::string_view label(LogLevel level) {
  switch (level) {
    case LogLevel::none:
    case LogLevel::error:
      return "";
    case LogLevel::warn:
      return "warning: ";
    case LogLevel::info:
      return "";
    case LogLevel::debug:
      return "debug: ";
    case LogLevel::trace:
      return "trace: ";
  }
  return "";
}

}  // namespace

void Log::set_level(LogLevel level) {
  state().level = level;
}
LogLevel Log::level() {
  return state().level;
}
void Log::set_prefix(std::string prefix) {
  state().prefix = std::move(prefix);
}
const std::string& Log::prefix() {
  return state().prefix;
}
void Log::set_before_line(void (*hook)()) {
  state().before_line = hook;
}

void Log::line(LogLevel level, std::string_view text) {
  if (level > state().level) return;
  if (state().before_line != nullptr) state().before_line();
  std::string out = state().prefix;
  out += ": ";
  out += label(level);
  out += text;
  out += '\n';
  std::string_view rest = out;
  while (!rest.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, rest.data(), rest.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return;  // nobody left to tell
    }
    rest.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace penstock
