// base/: errors, text, bytes, time and log lines. Everything may include it; it knows no system
// call beyond the clock and no thread.
#pragma once

#include <cerrno>
#include <exception>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace penstock {

// A failure, ready for a user: the message names the call and its object in lower case, and ends
// with the system's reason where there is one ("fsync q/nextseq: No space left on device"). Whoever
// knows more adds it in front.
class Error : public std::exception {
 public:
  explicit Error(std::string message, std::error_code code = {})
      : message_(std::move(message)), code_(code) {}

  // `what` names call and object; the reason is appended from `errnum`.
  static Error from_errno(std::string_view what, int errnum = errno);

  // "context: message". Used as `throw e.with("job 7")`.
  Error with(std::string_view context) const;

  const char* what() const noexcept override { return message_.c_str(); }
  const std::string& message() const { return message_; }
  // The system's error, or no error where the failure did not come from a call.
  std::error_code code() const { return code_; }
  bool is(int errnum) const { return code_ == std::error_code(errnum, std::generic_category()); }

 private:
  std::string message_;
  std::error_code code_;
};

}  // namespace penstock
