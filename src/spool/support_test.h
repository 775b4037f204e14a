// What the tests of this room share: a scratch directory, other programs, another user.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <functional>
#include <string>
#include <string_view>

namespace penstock::spool::testing {

// A directory of its own, open to everybody, removed at the end.
class Scratch {
 public:
  Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch();

  std::string path(std::string_view name = "") const;

 private:
  std::string path_;
};

void write_file(const std::string& path, std::string_view content);
std::string read_file(const std::string& path);
bool exists(const std::string& path);  // a dangling link does
// The names in a directory, sorted, joined by blanks.
std::string list(const std::string& path);

struct Outcome {
  int status = 0;   // as a shell has it
  std::string out;  // both streams
};
// `script` under bash.
Outcome shell(const std::string& script);

// Whether `check` holds in a process of the user nobody (of our own user, if we are not root).
bool as_nobody(const std::function<bool()>& check);

// Whether the real fspl is there to be compared with.
bool has_fspl();

}  // namespace penstock::spool::testing

#define PENSTOCK_NEEDS_FSPL() \
  if (!has_fspl()) GTEST_SKIP() << "NOT TESTED: /usr/bin/fspl (package filespooler) is missing"
