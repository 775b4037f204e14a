#include "pipeline/shell_words.h"

#include <gtest/gtest.h>

namespace penstock::pipeline {
namespace {

using Words = std::vector<std::string>;
using Mode = Redirect::Mode;

Words words_of(std::string_view line) {
  const ShellPipeline pipeline = read_pipeline(line);
  EXPECT_TRUE(pipeline.was_read()) << line << ": " << pipeline.refusal;
  EXPECT_LE(pipeline.stages.size(), 1U) << line;
  return pipeline.stages.empty() ? Words{} : pipeline.stages.front().argv;
}

std::vector<Redirect> redirects_of(std::string_view line) {
  const ShellPipeline pipeline = read_pipeline(line);
  EXPECT_TRUE(pipeline.was_read()) << line << ": " << pipeline.refusal;
  return pipeline.stages.empty() ? std::vector<Redirect>{} : pipeline.stages.front().redirects;
}

TEST(ShellWords, AreCutAtBlanksAndJoinedAcrossQuotes) {
  EXPECT_EQ(words_of("  gpg \t -q   -d  "), (Words{"gpg", "-q", "-d"}));
  EXPECT_EQ(words_of(R"(a'b c'"d e"f "" '' 'it'\''s')"), (Words{"ab cd ef", "", "", "it's"}));
  EXPECT_EQ(words_of(R"(x '$HOME `a` "*" \n #' "'*?~;&|<>(){}#'")"),
            (Words{"x", R"($HOME `a` "*" \n #)", "'*?~;&|<>(){}#'"}));
  EXPECT_EQ(words_of("--file=a:b,c@d%e+f_g/h.i-j backup~ \n\n"),
            (Words{"--file=a:b,c@d%e+f_g/h.i-j", "backup~"}));
}

TEST(ShellWords, TakeABackslashBeforeAVisibleCharacter) {
  EXPECT_EQ(words_of(R"(a\ b \$x \\ \" \' \| \2 \* \~ \! \#)"),
            (Words{"a b", "$x", "\\", "\"", "'", "|", "2", "*", "~", "!", "#"}));
}

TEST(ShellWords, KeepOtherBytesBetweenQuotes) {
  EXPECT_EQ(words_of("a '\xc3\x81\xa0' \"\x88\xff\""), (Words{"a", "\xc3\x81\xa0", "\x88\xff"}));
}

TEST(ShellWords, MakeStages) {
  EXPECT_EQ(read_pipeline("a 1|b '|' | c").stages,
            (std::vector<StageSpec>{{.argv = {"a", "1"}}, {.argv = {"b", "|"}}, {.argv = {"c"}}}));
}

TEST(ShellWords, MakeSimpleRedirectionsInOrder) {
  const std::vector<Redirect> expected = {
      {.fd = 0, .mode = Mode::read, .path = "/dev/null"},
      {.fd = 2, .mode = Mode::append, .path = "log file"},
      {.fd = 1, .mode = Mode::duplicate, .from_fd = 2},
      {.fd = 3, .mode = Mode::write, .path = "x"},
      {.fd = 2, .mode = Mode::duplicate, .from_fd = 1},
  };
  EXPECT_EQ(redirects_of("</dev/null cmd 2>> 'log file' >&2 3>x 2>&1"), expected);
  EXPECT_EQ(words_of("a 2 >x"), (Words{"a", "2"}));
  EXPECT_EQ(words_of("a b2>x"), (Words{"a", "b2"}));
  EXPECT_EQ(redirects_of("a 0<2"), (std::vector<Redirect>{{.mode = Mode::read, .path = "2"}}));
}

TEST(ShellWords, RefuseWhateverShellsMightReadOtherwise) {
  for (const char* line : {
           "",          " ",          "\n",       "a $x",   "a `b`",    "a \"$x\"", "a \"\\x\"",
           "a \"`b`\"", "a \"!\"",    "a *",      "a ?",    "a [b]",    "a ]",      "a ~",
           "a ~root",   "a x=~",      "a b:~/x",  "a ''~",  "a -~",     "a {b,c}",  "a }",
           "a # b",     "a#b",        "a & b",    "a; b",   "a && b",   "a || b",   "a |& b",
           "a\nb",      "! a",        "a !b",     "(a)",    "a ^ b",    "a 'b",     "a \"b",
           "a \\",      "a\\\n",      "a \\\x01", "a \x01", "a '\x01'", "a '\x7f'", "a '\n'",
           "a \r",      "a \xc3\xa9", "a \\\xc3",
       }) {
    const ShellPipeline pipeline = read_pipeline(line);
    EXPECT_FALSE(pipeline.was_read()) << line;
    EXPECT_TRUE(pipeline.stages.empty()) << line;
  }
  EXPECT_FALSE(read_pipeline(std::string_view("a\0b", 3)).was_read());
}

TEST(ShellWords, RefuseRedirectionsThatAreNotSimple) {
  for (const char* line : {
           "a << b",
           "a <<< b",
           "a <> b",
           "a >| b",
           "a &> b",
           "a >& b",
           "a 2>&-",
           "a 2>&1-",
           "a 2>& 1",
           "a 2>&10",
           "a 2>&1>b",
           "a <&3",
           "a 12>b",
           "a '2'>b",
           "a \\2>b",
           "a 02>b",
           "a >",
           "a > | b",
           "a > >b",
           "a >2>b",
           "a <(b)",
           "a >(b)",
           "a >''",
           "a >/dev/tcp/host/1",
           "a 2>/dev/stderr",
           "a </dev/fd/3",
           "a {x}>b",
           ">x",
           "</dev/null | b",
       }) {
    EXPECT_FALSE(read_pipeline(line).was_read()) << line;
  }
}

TEST(ShellWords, NameAnEmptyStage) {
  EXPECT_EQ(read_pipeline("| a").refusal, "stage 1 has no command");
  EXPECT_EQ(read_pipeline("a | | b").refusal, "stage 2 has no command");
  EXPECT_EQ(read_pipeline("a |").refusal, "stage 2 has no command");
}

}  // namespace
}  // namespace penstock::pipeline
