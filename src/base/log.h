// Lines for people on stderr: "penstock queue-process: warning: …", one write each.
#pragma once

#include <string>
#include <string_view>

namespace penstock {

// As on the command line: fspl's five names, 1 (error) to 5 (trace). None is for programs of
// others, whose stderr is not ours.
enum class LogLevel { none = 0, error = 1, warn = 2, info = 3, debug = 4, trace = 5 };

class Log {
 public:
  // Lines at `level` and more important ones are shown. Info is the default, and says little: a
  // normal run is silent.
  static void set_level(LogLevel level);
  static LogLevel level();
  // What each line starts with, for instance "penstock queue-process". Must outlive all lines.
  static void set_prefix(std::string prefix);
  static const std::string& prefix();

  static void error(std::string_view text) { line(LogLevel::error, text); }
  static void warn(std::string_view text) { line(LogLevel::warn, text); }
  static void info(std::string_view text) { line(LogLevel::info, text); }
  static void debug(std::string_view text) { line(LogLevel::debug, text); }
  static void trace(std::string_view text) { line(LogLevel::trace, text); }

  // Called before each line (a progress display takes itself off the screen there); null for
  // nothing.
  static void set_before_line(void (*hook)());

 private:
  // Never throws and never fails: where stderr cannot be written there is nobody left to tell.
  static void line(LogLevel level, std::string_view text);
};

}  // namespace penstock
