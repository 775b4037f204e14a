// What a program that uses the library and its helper say to each other: one request, one answer.
// Both are of one version, so this is no format.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "penstock/pipeline.h"

namespace penstock::lib {

// The helper's argv[0] and the name that ps shows.
inline constexpr const char* kHelperName = "penstock-helper";
// Where the helper finds its end of the socket.
inline constexpr int kHelperFd = 3;
// Its exit status if it is of another version than the one that calls it.
inline constexpr int kOtherVersion = 78;
// This library's.
std::string_view version();

struct Request {
  std::vector<api::Command> stages;
  api::RunOptions options;  // but for descriptors and environment, which the helper was born with

  std::string encode() const;
  // Throws penstock::Error for what is no request.
  static Request decode(std::string_view text);
};

struct Answer {
  std::string error;  // if it could not even try; then `result` means nothing
  int error_number = 0;
  api::Result result;

  std::string encode() const;
  static Answer decode(std::string_view text);
};

}  // namespace penstock::lib
