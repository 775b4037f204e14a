#include "cli/parse.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/text.h"
#include "cli/command_table.h"

namespace penstock::cli {
namespace {

enum class Gate { hold, eof, off };

// Lines are split at single blanks; '' stands for an empty word.
class ParseTest : public testing::Test {
 protected:
  Request parse(std::string_view line) {
    words_.clear();
    std::string word;
    for (char c : std::string(line) + ' ') {
      if (c != ' ') {
        word += c;
        continue;
      }
      if (!word.empty()) words_.push_back(word == "''" ? "" : word);
      word.clear();
    }
    pointers_.clear();
    for (const std::string& each : words_) pointers_.push_back(each.c_str());
    return parse_command_line(kCommandTable, pointers_);
  }

  // "run", "help", "help prepare", "version", "nothing", or the message of a usage error.
  std::string outcome(std::string_view line) {
    try {
      const Request request = parse(line);
      if (std::holds_alternative<VersionRequest>(request)) return "version";
      if (std::holds_alternative<NothingAsked>(request)) return "nothing";
      if (std::holds_alternative<CompletionsRequest>(request)) return "completions";
      if (const auto* help = std::get_if<HelpRequest>(&request)) {
        return help->command == nullptr ? "help" : cat("help ", help->command->name);
      }
      return "run";
    } catch (const UsageError& error) {
      return cat(error.prefix(), ": ", error.message());
    }
  }

  Arguments arguments(std::string_view line) {
    Request request = parse(line);
    return std::move(std::get<Invocation>(request).arguments);
  }

  void expect_refused(std::initializer_list<const char*> lines) {
    for (const char* line : lines) {
      const std::string got = outcome(line);
      EXPECT_TRUE(got.starts_with("penstock") && got.find(" --help)") != std::string::npos)
          << line << " gave: " << got;
    }
  }

  void expect_outcome(const char* expected, std::initializer_list<const char*> lines) {
    for (const char* line : lines) EXPECT_EQ(outcome(line), expected) << line;
  }

 private:
  std::vector<std::string> words_;
  std::vector<const char*> pointers_;
};

TEST_F(ParseTest, HelpIsFoundBeforeAndBehindTheCommand) {
  expect_outcome("help", {"-h", "--help", "help", "-h gen-uuid", "-hV", "-h=x", "-hl", "-l -h"});
  expect_outcome("help queue-ls", {"queue-ls -h", "queue-ls --help", "help queue-ls",
                                   "-l info queue-ls -h", "queue-ls -hx", "queue-ls -h=x"});
  expect_outcome("help help", {"help help"});
  expect_outcome("help gen-uuid", {"gen-uuid -h x", "gen-uuid -h --bogus"});
}

TEST_F(ParseTest, HelpWinsOverMistakesThatCanWait) {
  expect_outcome("help", {"-l bogus -h", "-l info -l info -h", "-l bogus help"});
  expect_outcome("help queue-ls",
                 {"-l bogus queue-ls -h", "queue-ls -h", "queue-ls -q -h", "queue-ls --queuedir -h",
                  "queue-ls -q a -q b -h", "queue-ls -q -d x -h", "queue-ls -q= -h"});
  expect_outcome("help queue-process",
                 {"queue-process -n x -h", "queue-process --never-delete --never-delete -h"});
}

TEST_F(ParseTest, HelpDoesNotWinOverWordsThatHaveNoPlace) {
  expect_refused({"--bogus -h", "-- -h", "gen-uuid x -h", "gen-uuid --bogus -h",
                  "queue-process --never-delete=true -h", "queue-ls -q --bogus -h",
                  "queue-ls -q q -- -h", "queue-process -q q -- -h", "queue-process -q q a b -h",
                  "help -h", "help --help", "help queue-ls -h", "--help=x", "gen-uuid --help=x"});
}

TEST_F(ParseTest, HelpTakesOneKnownCommand) {
  expect_refused({"help bogus", "help queue-", "help ''", "help help help", "help --",
                  "help -- queue-ls", "help queue-ls --", "help queue-ls extra"});
}

TEST_F(ParseTest, VersionGoesBeforeTheCommand) {
  expect_outcome("version", {"-V", "--version", "-V --bogus", "-Vh", "-Vx", "-V=1", "-linfo -V"});
  expect_refused({"prepare --version", "gen-uuid -V", "--version=1"});
}

TEST_F(ParseTest, AListTakesItsWordsWhereverTheyStand) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(arguments("doctor").params(), Words{});
  EXPECT_EQ(arguments("doctor 1 --json 2 -- 3").params(), (Words{"1", "2", "3"}));
  EXPECT_EQ(outcome("doctor 1 x"),
            "penstock doctor: PID: 'x' is not a whole number from 0 to 18446744073709551615 (see "
            "penstock doctor --help)");
}

TEST_F(ParseTest, AnOptionalValueStandsBehindAnEqualsSign) {
  EXPECT_FALSE(arguments("doctor 1").has("heal"));
  const Arguments plain = arguments("doctor --heal 1");
  EXPECT_TRUE(plain.has("heal"));
  EXPECT_EQ(plain.value("heal"), "");
  EXPECT_EQ(plain.params(), std::vector<std::string>{"1"});
  EXPECT_EQ(arguments("doctor --heal=h3 1").value("heal"), "h3");
  expect_refused({"doctor --heal=", "doctor --heal=H2", "doctor --heal --heal"});
}

TEST_F(ParseTest, IntervalsMayBeFractions) {
  using std::chrono::milliseconds;
  EXPECT_EQ(arguments("doctor").interval("interval"), milliseconds(2000));
  EXPECT_EQ(arguments("doctor --interval 0.2").interval("interval"), milliseconds(200));
  EXPECT_EQ(arguments("doctor --interval=.25").interval("interval"), milliseconds(250));
  EXPECT_EQ(arguments("doctor --interval 3600").interval("interval"), milliseconds(3'600'000));
  expect_refused({"doctor --interval 0", "doctor --interval 0.049", "doctor --interval 3600.001",
                  "doctor --interval .", "doctor --interval ''", "doctor --interval 1.2345",
                  "doctor --interval=-1", "doctor --interval 1e3", "doctor --interval 1.2.3"});
}

TEST_F(ParseTest, NothingAskedIsNotHelp) {
  expect_outcome("nothing", {"", "--", "-l info", "-l debug", "-l gen-uuid", "-l bogus"});
}

TEST_F(ParseTest, UnknownWordsAreRefused) {
  expect_refused({"bogus",
                  "gen-u",
                  "GEN-UUID",
                  "-",
                  "-x",
                  "''",
                  "-- gen-uuid",
                  "-l info -- gen-uuid",
                  "gen-uuid --bogus",
                  "gen-uuid -x",
                  "gen-uuid x",
                  "gen-uuid ''",
                  "gen-uuid -- x",
                  "gen-uuid -l debug",
                  "gen-uuid --log-level=debug",
                  "gen-uuid ---",
                  "gen-uuid --=x",
                  "--=x",
                  "queue-ls -q q -",
                  "prepare -s - a",
                  "prepare --seq x",
                  "--log-leve info gen-uuid",
                  "queue-process -q q -1 true",
                  "queue-process -q q echo x",
                  "prepare-set-next -s sf 1 2",
                  "prepare-set-next -s sf 5 ''",
                  "prepare-set-next -s sf -- 5 6",
                  "prepare-set-next -s sf 5 -- 6",
                  "queue-ls -q q -d cat -- x"});
}

TEST_F(ParseTest, RequiredThingsMustBeThere) {
  expect_refused({"prepare",
                  "prepare -s",
                  "prepare -s --",
                  "prepare -- -s sf",
                  "queue-ls",
                  "queue-info -q q",
                  "queue-info -j 1",
                  "queue-process -q q",
                  "queue-process -q q --",
                  "queue-process -q q -- echo x",
                  "queue-process true",
                  "prepare-set-next -s sf",
                  "prepare-set-next -s sf --",
                  "stdin-process",
                  "enqueue -q q",
                  "enqueue -s sf",
                  "run",
                  "run --",
                  "run --report",
                  "-l"
                  " info prepare-nop"});
}

TEST_F(ParseTest, NothingIsGivenTwice) {
  expect_refused({"prepare -s a -s b", "queue-ls -q q -q q", "queue-ls -q q -d cat --decoder cat",
                  "queue-process -q q -n 1 -n 2 echo", "queue-ls --queuedir a -q a",
                  "queue-process -q q --never-delete --never-delete echo",
                  "-l info -l warn gen-uuid", "queue-ls -q q -00", "queue-ls -q q -0 --null"});
}

TEST_F(ParseTest, FlagsTakeNoValue) {
  expect_refused({"queue-process -q q --never-delete=true echo",
                  "queue-process -q q --never-delete= echo", "queue-ls -q q --json=1",
                  "queue-ls -q q -0=1"});
}

TEST_F(ParseTest, ValuesAreAttachedOrSeparate) {
  const std::pair<const char*, const char*> kForms[] = {
      {"queue-ls -q dir", "dir"},
      {"queue-ls -qdir", "dir"},
      {"queue-ls -q=dir", "dir"},
      {"queue-ls --queuedir dir", "dir"},
      {"queue-ls --queuedir=dir", "dir"},
      {"queue-ls -q==x", "=x"},
      {"queue-ls -qa=b", "a=b"},
      {"queue-ls --queuedir=a=b", "a=b"},
      {"queue-ls --queuedir==x", "=x"},
      {"queue-ls -qq --", "q"},
      {"queue-ls -q -", "-"},
      {"queue-ls -q-x", "-x"},
      {"queue-ls -q=-x", "-x"},
      {"queue-ls --queuedir=--decoder", "--decoder"},
      {"queue-ls -0qdir", "dir"},
      {"queue-ls -0q dir", "dir"},
  };
  for (const auto& [line, expected] : kForms) {
    EXPECT_EQ(arguments(line).text("queuedir"), expected) << line;
  }
  EXPECT_EQ(arguments("queue-ls -q q -d ''").value("decoder"), "");
}

TEST_F(ParseTest, ASeparateValueBeginsWithNoDash) {
  expect_refused({"queue-process -q q -n -1 true", "queue-info -q q -j -1", "queue-ls -q -d x",
                  "queue-ls -q -x", "queue-ls --queuedir --decoder", "queue-ls -q -1",
                  "queue-process -q q echo -d -- cat", "prepare-set-next -s sf -1"});
}

TEST_F(ParseTest, AnEmptyQueueDirectoryIsRefused) {  // D42
  expect_refused(
      {"queue-ls -q ''", "queue-ls -q=", "queue-ls --queuedir=", "queue-ls --queuedir ''"});
}

TEST_F(ParseTest, OrderBeforeDoubleDashIsFree) {
  for (const char* line :
       {"queue-process -q q -n 1 echo -- x -n", "queue-process echo -q q -n 1 -- x -n",
        "queue-process -q q echo -n 1 -- x -n"}) {
    const Arguments given = arguments(line);
    EXPECT_EQ(given.positional(), "echo") << line;
    EXPECT_EQ(given.number("maxjobs"), 1U) << line;
    EXPECT_EQ(given.params(), (std::vector<std::string>{"x", "-n"})) << line;
  }
  EXPECT_EQ(arguments("prepare-set-next 5 -s sf").positional_number(), 5U);
  EXPECT_EQ(arguments("prepare-set-next 5 -s sf --").positional_number(), 5U);
  EXPECT_EQ(arguments("prepare-set-next -s sf -- 5").positional_number(), 5U);
  EXPECT_EQ(arguments("queue-process -q q ''").positional(), "");
  EXPECT_EQ(arguments("queue-process -q q - --").positional(), "-");
}

TEST_F(ParseTest, WhatFollowsTheFirstDoubleDashIsTakenAsItIs) {
  EXPECT_EQ(arguments("prepare -s - -- -- x -- -h --help -s ''").params(),
            (std::vector<std::string>{"--", "x", "--", "-h", "--help", "-s", ""}));
  EXPECT_TRUE(arguments("prepare -s - --").params().empty());
  EXPECT_TRUE(arguments("gen-uuid --").params().empty());
}

TEST_F(ParseTest, NumbersAreWholeAndDecimal) {
  const std::pair<const char*, uint64_t> kGood[] = {
      {"0", 0}, {"7", 7}, {"007", 7}, {"+5", 5}, {"18446744073709551615", UINT64_MAX}};
  for (const auto& [text, expected] : kGood) {
    EXPECT_EQ(arguments(cat("prepare-set-next -s sf ", text)).positional_number(), expected);
    EXPECT_EQ(arguments(cat("queue-process -q q true -n=", text)).number("maxjobs"), expected);
    EXPECT_EQ(arguments(cat("queue-info -q q -j ", text)).number("job"), expected);
  }
  for (const char* text : {"18446744073709551616", "0x5", "1.5", "abc", "''", "5x", "-1", "++5"}) {
    expect_refused({cat("prepare-set-next -s sf ", text).c_str(),
                    cat("prepare-set-next -s sf -- ", text).c_str(),
                    cat("queue-process -q q true -n ", text).c_str(),
                    cat("queue-info -q q -j ", text).c_str(),
                    cat("queue-process -q q --timeout ", text, " true").c_str()});
  }
}

TEST_F(ParseTest, ChoicesIgnoreCaseAndAreNotAbbreviated) {
  for (const char* text : {"Retry", "retry", "DELETE", "leave", "Quarantine"}) {
    EXPECT_EQ(outcome(cat("queue-process -q q --on-error ", text, " true")), "run") << text;
  }
  EXPECT_EQ(outcome("queue-process -q q --order-by TIMESTAMP --output-to=saveboth true"), "run");
  expect_refused({"queue-process -q q --on-error Ret true", "queue-process -q q --on-error '' true",
                  "queue-process -q q --order-by time true",
                  "queue-process -q q --output-to save true",
                  "queue-process -q q --on-error Retry|Delete true", "run --gate shut true"});
}

TEST_F(ParseTest, LogLevelsHaveNamesAndNumbers) {
  const std::pair<const char*, LogLevel> kLevels[] = {
      {"trace", LogLevel::trace}, {"DEBUG", LogLevel::debug}, {"Info", LogLevel::info},
      {"warn", LogLevel::warn},   {"error", LogLevel::error}, {"1", LogLevel::error},
      {"2", LogLevel::warn},      {"3", LogLevel::info},      {"4", LogLevel::debug},
      {"5", LogLevel::trace},     {"+1", LogLevel::error},    {"01", LogLevel::error}};
  for (const auto& [text, level] : kLevels) {
    const Request request = parse(cat("-l ", text, " gen-uuid"));
    EXPECT_EQ(std::get<Invocation>(request).log_level, level) << text;
  }
  const Request request = parse("gen-uuid");
  EXPECT_EQ(std::get<Invocation>(request).log_level, LogLevel::info);
  EXPECT_EQ(outcome("-lwarn gen-uuid"), "run");
  EXPECT_EQ(outcome("--log-level=DEBUG gen-uuid"), "run");
  expect_refused({"-l off gen-uuid", "-l 0 gen-uuid", "-l 6 gen-uuid", "-l verbose gen-uuid",
                  "-l '' gen-uuid", "-l= gen-uuid", "-lh gen-uuid"});
}

TEST_F(ParseTest, BytesThatAreNotUtf8AreAccepted) {  // D41
  const Arguments given = arguments("queue-process -q q\xff -d=\xfe c\xfd -- p\xfc");
  EXPECT_EQ(given.text("queuedir"), "q\xff");
  EXPECT_EQ(given.text("decoder"), "\xfe");
  EXPECT_EQ(given.positional(), "c\xfd");
  EXPECT_EQ(given.params(), std::vector<std::string>{"p\xfc"});
  EXPECT_EQ(outcome("queue-ls -q q -\xff"),
            "penstock queue-ls: unknown option '-\\xff' (see penstock queue-ls --help)");
}

TEST_F(ParseTest, PipelineOptionsStopAtTheFirstWord) {
  const Arguments given = arguments("run --gate eof gpg -q -d | cat -- --help");
  EXPECT_EQ(
      given.pick<Gate>("gate", {{"hold", Gate::hold}, {"eof", Gate::eof}, {"off", Gate::off}}),
      Gate::eof);
  EXPECT_EQ(given.params(),
            (std::vector<std::string>{"gpg", "-q", "-d", "|", "cat", "--", "--help"}));
  EXPECT_EQ(arguments("run -- -x --report").params(), (std::vector<std::string>{"-x", "--report"}));
  EXPECT_EQ(arguments("run - a").params(), (std::vector<std::string>{"-", "a"}));
  EXPECT_FALSE(arguments("run a --report").has("report"));
  EXPECT_EQ(outcome("run -h a"), "help run");
  EXPECT_EQ(outcome("run a -h"), "run");
}

TEST_F(ParseTest, FillTakesThePlaceOfTheSequenceFile) {
  EXPECT_EQ(arguments("prepare-nop --fill 7").number("fill"), 7U);
  EXPECT_EQ(outcome("prepare-fail -s sf --fill 7"), "run");
  expect_refused({"prepare-nop", "prepare -i x --fill 7"});
}

TEST_F(ParseTest, JsonAndNullExcludeEachOther) {
  expect_refused({"queue-ls -q q --json -0", "stdin-info --null --json"});
}

TEST_F(ParseTest, ATimeLimitOfZeroIsRefused) {  // D48
  expect_refused({"queue-process -q q --timeout 0 true", "run --timeout 0 true"});
}

TEST_F(ParseTest, MessagesNameTheObjectAndTheReason) {
  const std::pair<const char*, const char*> kMessages[] = {
      {"queue-process -q q -n 1.5 true",
       "penstock queue-process: option --maxjobs: '1.5' is not a whole number from 0 to "
       "18446744073709551615 (see penstock queue-process --help)"},
      {"bogus", "penstock: unknown command 'bogus' (see penstock --help)"},
      {"gen-u", "penstock: unknown command 'gen-u'; did you mean gen-uuid? (see penstock --help)"},
      {"gen-uuid -l 1",
       "penstock gen-uuid: option --log-level goes before the command: penstock --log-level … "
       "gen-uuid (see penstock gen-uuid --help)"},
      {"-l off gen-uuid",
       "penstock: option --log-level: 'off' is none of error|warn|info|debug|trace and no number "
       "from 1 to 5 (see penstock --help)"},
      {"queue-ls",
       "penstock queue-ls: option --queuedir DIR is missing (see penstock queue-ls --help)"},
      {"prepare-nop",
       "penstock prepare-nop: option --seqfile FILE or --fill is missing (see penstock prepare-nop "
       "--help)"},
      {"queue-ls -q",
       "penstock queue-ls: option --queuedir needs a value: DIR (see penstock queue-ls --help)"},
      {"queue-ls -q -d x",
       "penstock queue-ls: option --queuedir needs a value: DIR, but '-d' follows; a value that "
       "begins "
       "with - is written --queuedir=VALUE (see penstock queue-ls --help)"},
      {"queue-process -q q -- echo",
       "penstock queue-process: COMMAND is missing: it goes before -- (see penstock queue-process "
       "--help)"},
      {"queue-process -q q echo x",
       "penstock queue-process: unexpected 'x': parameters go behind -- (see penstock "
       "queue-process --help)"},
      {"queue-process -q q echo -e",
       "penstock queue-process: unknown option '-e'; parameters go behind -- (see penstock "
       "queue-process --help)"},
      {"prepare --seq x",
       "penstock prepare: unknown option '--seq'; did you mean --seqfile? (see penstock prepare "
       "--help)"},
      {"queue-ls -q a -q a",
       "penstock queue-ls: option --queuedir is given twice (see penstock queue-ls --help)"},
      {"queue-ls -q ''",
       "penstock queue-ls: option --queuedir: may not be empty (see penstock queue-ls --help)"},
      {"run --report", "penstock run: CMD is missing (see penstock run --help)"},
      {"help bogus", "penstock: help: unknown command 'bogus' (see penstock --help)"},
  };
  for (const auto& [line, message] : kMessages) EXPECT_EQ(outcome(line), message) << line;
}

}  // namespace
}  // namespace penstock::cli
