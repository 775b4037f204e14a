#include "cli/command_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <string>
#include <string_view>

#include "base/text.h"
#include "cli/help.h"
#include "cli/value.h"

namespace penstock::cli {
namespace {

bool has(const Command& command, std::string_view name) {
  return std::ranges::any_of(command.options, [&](const Option& o) { return name == o.name; });
}

TEST(CommandTable, HasEveryCommandOfFspl) {
  for (const char* name :
       {"gen-filename",   "gen-uuid",         "help",           "prepare",
        "prepare-fail",   "prepare-get-next", "prepare-nop",    "prepare-set-next",
        "queue-get-next", "queue-info",       "queue-init",     "queue-ls",
        "queue-payload",  "queue-process",    "queue-set-next", "queue-write",
        "show-license",   "stdin-info",       "stdin-payload",  "stdin-process"}) {
    const Command* command = kCommandTable.find(name);
    ASSERT_NE(command, nullptr) << name;
    EXPECT_FALSE(command->is_ours) << name;
  }
}

// A required one is marked with "!".
TEST(CommandTable, HasFsplsOptionsAndNoShortOnesBesides) {
  const std::pair<const char*, const char*> kOptions[] = {
      {"prepare", "-s! --seqfile! -i --input"},
      {"prepare-nop", "-s --seqfile"},
      {"prepare-fail", "-s --seqfile"},
      {"prepare-get-next", "-s! --seqfile!"},
      {"prepare-set-next", "-s! --seqfile!"},
      {"queue-init", "-q! --queuedir! --append-only"},
      {"queue-write", "-q! --queuedir!"},
      {"queue-get-next", "-q! --queuedir!"},
      {"queue-set-next", "-q! --queuedir!"},
      {"queue-ls", "-q! --queuedir! -d --decoder"},
      {"queue-info", "-q! --queuedir! -j! --job! -d --decoder"},
      {"queue-payload", "-q! --queuedir! -j! --job! -d --decoder"},
      {"queue-process",
       "-q? --queuedir? -d --decoder -n --maxjobs --never-delete --on-error --order-by --output-to "
       "--allow-job-params --ignore-payload --timeout"},
      {"stdin-process", "--allow-job-params --ignore-payload --timeout"},
      {"stdin-info", ""},
      {"stdin-payload", ""},
      {"gen-uuid", ""},
      {"gen-filename", ""},
      {"show-license", ""}};
  for (const auto& [name, expected] : kOptions) {
    std::string got;
    for (const Option& option : kCommandTable.find(name)->options) {
      if (option.is_ours) continue;
      const char* mark = option.required ? "!" : option.repeatable ? "?" : "";
      if (option.short_name != 0) got += cat(got.empty() ? "" : " ", "-", option.short_name, mark);
      got += cat(got.empty() ? "" : " ", "--", option.name, mark);
    }
    EXPECT_EQ(got, expected) << name;
  }
}

TEST(CommandTable, IsConsistent) {
  for (const Command& command : kCommandTable.commands) {
    std::set<std::string> seen;
    for (const Option& option : command.options) {
      SCOPED_TRACE(cat(command.name, " --", option.name));
      EXPECT_TRUE(seen.insert(option.name).second);
      EXPECT_NE(option.help, nullptr);
      EXPECT_TRUE(option.short_name == 0 || seen.insert({option.short_name}).second);
      EXPECT_TRUE(!option.is_ours || option.short_name == 0 || option.short_name == '0');
      EXPECT_TRUE(!option.value_is_optional || option.short_name == 0);
      EXPECT_TRUE(option.excludes == nullptr || has(command, option.excludes));
      EXPECT_TRUE(option.required_unless == nullptr || has(command, option.required_unless));
      if (option.default_value != nullptr) {
        EXPECT_EQ(value_problem(option, option.default_value), std::nullopt);
      }
    }
    EXPECT_EQ(kCommandTable.find(command.name), &command);
    EXPECT_NE(command.about, nullptr) << command.name;
  }
}

TEST(Help, FitsEightyColumnsAndNamesEverything) {
  auto expect_narrow = [](const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80U) << line;
  };
  expect_narrow(overview(kCommandTable));
  for (const Command& command : kCommandTable.commands) {
    const std::string text = command_help(command);
    expect_narrow(text);
    EXPECT_NE(overview(kCommandTable).find(cat("  ", command.name, " ")), std::string::npos);
    for (const Option& option : command.options) {
      const bool is_shown = text.find(option_heading(option)) != std::string::npos;
      EXPECT_NE(is_shown, option.hidden) << option.name;
    }
  }
  EXPECT_EQ(overview(kCommandTable).find("completions"), std::string::npos);
}

TEST(Help, KeepsOursApart) {
  const std::string text = command_help(*kCommandTable.find("queue-process"));
  const size_t beyond = text.find("\nBeyond fspl:\n");
  ASSERT_NE(beyond, std::string::npos);
  EXPECT_LT(text.find("--maxjobs"), beyond);
  EXPECT_GT(text.find("--gap-status"), beyond);
  EXPECT_NE(text.find("Usage: penstock queue-process {-q|--all} DIR [OPTIONS] COMMAND [-- "
                      "PARAMETER...]\n"),
            std::string::npos);
}

TEST(Version, IsFsplsUnderItsName) {
  EXPECT_EQ(version_line("/usr/bin/fspl"), "filespooler 1.2.2\n");
  EXPECT_TRUE(version_line("build/bin/penstock").starts_with("penstock "));
  EXPECT_TRUE(version_line("").starts_with("penstock "));
}

}  // namespace
}  // namespace penstock::cli
