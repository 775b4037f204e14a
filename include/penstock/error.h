// The one exception of libpenstock. Nothing else of ours leaves a public function, but for
// std::bad_alloc where there is no memory.
#pragma once

#include <stdexcept>
#include <string>
#include <system_error>

namespace penstock::api {

// The library could not do what it was asked for: /proc cannot be read, a file of snapshots is
// malformed, a helper cannot be started. The message names the call and its object, in lower case,
// ready for a user: "start /usr/bin/penstock: No such file or directory".
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, std::error_code code = {})
      : std::runtime_error(message), code_(code) {}

  // The system's reason, or no error where it did not come from a system call.
  const std::error_code& code() const noexcept { return code_; }

 private:
  std::error_code code_;
};

}  // namespace penstock::api
