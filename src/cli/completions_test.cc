#include "cli/completions.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <string>

#include "cli/command_table.h"

namespace penstock::cli {
namespace {

// What bash offers at the end of `line`, one word a line, blanks at the ends cut; "no bash" where
// there is none.
std::string offers(const std::string& line) {
  const std::string script =
      bash_completions(kCommandTable) + "line='" + line +
      "'; COMP_WORDS=($line); [[ $line == *' ' ]] && COMP_WORDS+=('')\n"
      "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _penstock; echo \"${COMPREPLY[*]}\"\n";
  const std::string path = testing::TempDir() + "/penstock_completions.sh";
  FILE* file = fopen(path.c_str(), "w");
  EXPECT_NE(file, nullptr);
  if (file == nullptr) return "";
  fputs(script.c_str(), file);
  fclose(file);
  FILE* bash = popen(("bash --norc " + path + " 2>&1").c_str(), "r");
  std::array<char, 8192> buffer{};
  std::string out(buffer.data(), fread(buffer.data(), 1, buffer.size(), bash));
  EXPECT_EQ(pclose(bash), 0) << out;
  remove(path.c_str());
  if (!out.empty()) out.pop_back();
  return out;
}

TEST(BashCompletions, OfferCommandsOptionsAndChoices) {
  EXPECT_EQ(offers("penstock queue-p"), "queue-payload queue-process");
  EXPECT_EQ(offers("fspl -l debug gen-"), "gen-uuid gen-filename");
  EXPECT_EQ(offers("penstock help r"), "run");
  EXPECT_EQ(offers("penstock queue-process -q q --on-e"), "--on-error");
  EXPECT_EQ(offers("penstock queue-process -q q --on-error "), "Retry Delete Leave quarantine");
  EXPECT_EQ(offers("penstock -l "), "error warn info debug trace");
  EXPECT_EQ(offers("penstock queue-process -q q echo -- --on"), "");
  EXPECT_EQ(offers("penstock --comp"), "");
}

}  // namespace
}  // namespace penstock::cli
