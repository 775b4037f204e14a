#include "pipeline/decoder_string.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace penstock::pipeline {
namespace {

using Words = std::vector<std::string>;
using Stages = std::vector<StageSpec>;

DecoderPlan plan(std::string_view text, std::optional<std::string> shell = std::nullopt) {
  return plan_decoder(text, {.shell = std::move(shell)});
}

// Given to `shell` as one stage, with just these words.
void expect_opaque(const DecoderPlan& plan, const Words& argv) {
  EXPECT_FALSE(plan.seen_through) << plan.description;
  EXPECT_EQ(plan.stages, (Stages{{.argv = argv, .opaque = true}})) << plan.description;
}

TEST(DecoderString, IsSeenThrough) {
  const DecoderPlan seen = plan("gpg -q -d 2>/dev/null | zstdcat -T0", "/bin/bash");
  const Redirect quiet{.fd = 2, .mode = Redirect::Mode::write, .path = "/dev/null"};
  EXPECT_TRUE(seen.seen_through);
  EXPECT_EQ(seen.stages, (Stages{{.argv = {"gpg", "-q", "-d"}, .redirects = {quiet}},
                                 {.argv = {"zstdcat", "-T0"}}}));
  EXPECT_FALSE(seen.hides_a_pipe);
  EXPECT_FALSE(seen.pipefail);
  EXPECT_EQ(seen.description, "gpg -q -d 2>/dev/null | zstdcat -T0, run as 2 stages");
  EXPECT_EQ(plan("zcat").description, "zcat, run as 1 stage");
}

TEST(DecoderString, DependsOnTheShellsName) {
  for (const char* shell :
       {"", "sh", "/bin/sh", "/usr/bin/dash", "bash", "/opt/my/bash", "/bin/ksh"}) {
    EXPECT_TRUE(plan("a | b", shell).seen_through) << shell;
  }
  for (const char* shell : {"/bin/fish", "/bin/zsh", "/bin/csh", "/tmp/mysh", "/bin/false", "rbash",
                            "/bin/sh/", " sh", "mksh"}) {
    EXPECT_FALSE(plan("a | b", shell).seen_through) << shell;
  }
}

TEST(DecoderString, IsGivenToTheShellUnaltered) {
  expect_opaque(plan(" a $x \n", "/tmp/mysh"), {"/tmp/mysh", "-c", " a $x \n"});
  expect_opaque(plan("a $x"), {"/bin/sh", "-c", "a $x"});
  expect_opaque(plan("a $x", ""), {"/bin/sh", "-c", "a $x"});
  expect_opaque(plan(""), {"/bin/sh", "-c", ""});
  expect_opaque(plan("\xff\x01;", "bash"), {"bash", "-c", "\xff\x01;"});
  EXPECT_EQ(plan("a", "/bin/fish").description,
            "opaque: given to /bin/fish -c, because fish is not sh, dash, bash or ksh");
  EXPECT_EQ(plan("a $x").description,
            "opaque: given to /bin/sh -c, because it has a variable or a substitution ($)");
}

TEST(DecoderString, GetsPipefailWhereTheShellHasIt) {
  for (const char* shell : {"/bin/bash", "ksh", "/usr/bin/zsh"}) {
    const DecoderPlan opaque = plan("a $x | b", shell);
    expect_opaque(opaque, {shell, "-o", "pipefail", "-c", "a $x | b"});
    EXPECT_TRUE(opaque.pipefail);
    EXPECT_FALSE(opaque.hides_a_pipe);
  }
  for (const char* shell : {"/bin/sh", "dash", "/bin/fish", "/tmp/mysh"}) {
    const DecoderPlan opaque = plan("a $x | b", shell);
    expect_opaque(opaque, {shell, "-c", "a $x | b"});
    EXPECT_FALSE(opaque.pipefail);
    EXPECT_TRUE(opaque.hides_a_pipe);
  }
  const DecoderPlan no_pipe = plan("a $x '|' || b", "bash");
  expect_opaque(no_pipe, {"bash", "-c", "a $x '|' || b"});
  EXPECT_FALSE(no_pipe.pipefail || no_pipe.hides_a_pipe);
  EXPECT_TRUE(plan("x=1; sh -c 'a | b'", "bash").hides_a_pipe);
}

TEST(DecoderString, LeavesWordsOfTheShellToTheShell) {
  for (const char* text : {"cd /tmp", "a | exec b", "time gpg", "'echo' x", "e\\cho x",
                           "\"[\" x ']'", ":", ". x", "command gpg", "true", "x=1", "X=1 gpg",
                           "'a=b' c", "%1", "'' a", "'{' a", "nohup a", "2>/dev/null test"}) {
    EXPECT_FALSE(plan(text).seen_through) << text;
  }
  for (const char* text : {"cat", "/bin/echo", "gpg cd", "env X=1 gpg", "a | b time"}) {
    EXPECT_TRUE(plan(text).seen_through) << text;
  }
}

TEST(DecoderString, HeedsTheEnvironment) {
  const Words variables = {"SHELL=/bin/bash",
                           "SHELL=/bin/fish",
                           "BASH_FUNC_gpg%%=() {  :; }",
                           "BASH_FUNC_a()=() { :; }",
                           "BASH_FUNC_=x",
                           "BASH_ENVIRON=x",
                           "nonsense"};
  const ShellEnvironment environment = ShellEnvironment::from(variables);
  EXPECT_EQ(environment.shell, "/bin/bash");
  EXPECT_EQ(environment.exported_functions, (Words{"gpg", "a"}));
  EXPECT_FALSE(environment.bash_env || environment.shell_options || environment.ksh_env);
  EXPECT_FALSE(plan_decoder("zcat | gpg -d", environment).seen_through);
  EXPECT_TRUE(plan_decoder("zcat | gpg2 -d", environment).seen_through);

  const auto sees = [](const Words& list, std::string_view text = "gpg") {
    return plan_decoder(text, ShellEnvironment::from(list)).seen_through;
  };
  EXPECT_TRUE(sees({}));
  EXPECT_FALSE(sees({"BASH_ENV=x"}));
  EXPECT_FALSE(sees({"SHELLOPTS=noexec"}));
  EXPECT_FALSE(sees({"BASHOPTS=nullglob"}));
  EXPECT_FALSE(sees({"BASH_FUNC_command_not_found_handle%%=() { :; }"}));
  EXPECT_TRUE(sees({"ENV=x", "SHELL=/bin/sh"}));
  EXPECT_FALSE(sees({"ENV=x", "SHELL=/bin/ksh"}));
  EXPECT_FALSE(sees({"FPATH=x", "SHELL=/bin/ksh"}));
  EXPECT_EQ(ShellEnvironment::from(Words{}).shell, std::nullopt);
  EXPECT_EQ(ShellEnvironment::from(Words{"SHELL="}).shell, "");
}

TEST(DecoderString, IsSeenThroughAShellThatHandsItOn) {
  const Stages expected = {{.argv = {"a"}}, {.argv = {"b c"}}};
  EXPECT_EQ(plan("bash -c 'a | b\\ c'").stages, expected);
  EXPECT_EQ(plan(R"(/usr/bin/ksh -c 'sh -c "a | '\''b c'\''"')").stages, expected);
  EXPECT_FALSE(plan("bash -c 'a | b'").hides_a_pipe);
  EXPECT_TRUE(plan_decoder("ksh -c 'a | b'", {.ksh_env = true}).hides_a_pipe);
}

TEST(DecoderString, KeepsAShellThatIsNeeded) {
  struct Case {
    const char* text;
    Words argv;
    bool hides;
  };
  const Case cases[] = {
      {"bash -c 'a $x | b'", {"bash", "-c", "a $x | b"}, true},
      {"bash -c 'a $x'", {"bash", "-c", "a $x"}, false},
      {"bash -e -c 'a | b'", {"bash", "-e", "-c", "a | b"}, true},
      {"sh -ec 'a | b'", {"sh", "-ec", "a | b"}, true},
      {"bash -o pipefail -c 'a | b'", {"bash", "-o", "pipefail", "-c", "a | b"}, false},
      {"bash -c 'a | b' c", {"bash", "-c", "a | b", "c"}, true},
      {"zsh -c 'a | b'", {"zsh", "-c", "a | b"}, true},
      {"sh -c -x", {"sh", "-c", "-x"}, false},
      {"sh -c ''", {"sh", "-c", ""}, false},
      {"nice bash -c 'a | b'", {"nice", "bash", "-c", "a | b"}, true},
  };
  for (const Case& c : cases) {
    const DecoderPlan kept = plan(c.text, "/bin/bash");
    EXPECT_TRUE(kept.seen_through) << c.text;
    ASSERT_EQ(kept.stages.size(), 1U) << c.text;
    EXPECT_EQ(kept.stages[0].argv, c.argv) << c.text;
    EXPECT_EQ(kept.hides_a_pipe, c.hides) << c.text;
  }
  EXPECT_TRUE(plan("sh -c 'a $x'").stages[0].opaque);
}

TEST(DecoderString, ReportsAPipeHiddenInAStage) {
  const DecoderPlan mixed = plan("gpg -d | bash -c 'a | b'");
  ASSERT_EQ(mixed.stages.size(), 2U);
  EXPECT_FALSE(mixed.stages[0].opaque);
  EXPECT_TRUE(mixed.stages[1].opaque);
  EXPECT_TRUE(mixed.hides_a_pipe);
  EXPECT_TRUE(plan("sh -c 'a | b' 2>/dev/null").hides_a_pipe);
  EXPECT_FALSE(plan("gpg -d | bash -c 'a'").hides_a_pipe);
}

TEST(DecoderString, GivesUpOnShellsWithoutEnd) {
  std::string text = "a";
  for (int i = 0; i < 10; ++i) text = describe({{.argv = {"sh", "-c", text}}});
  EXPECT_FALSE(plan(text).seen_through);
}

TEST(DecoderString, CannotHoldANul) {
  EXPECT_THROW(plan(std::string_view("a\0b", 3)), Error);
}

TEST(DecoderString, IsDescribedAsOneWouldTypeIt) {
  const char* text = "'a b' x </in 2>>'the log' >&2 3>y | c '' 2>&1";
  EXPECT_EQ(describe(plan(text).stages), text);
}

TEST(RedirectedByShell, HasTheShellOpenAndBecomeIt) {
  const DecoderPlan seen = plan("gpg -d 'a b' 3<'my keys' 2>>log >&2");
  ASSERT_TRUE(seen.seen_through) << seen.description;
  EXPECT_EQ(redirected_by_shell(seen.stages.front()),
            (StageSpec{.argv = {"/bin/sh", "-c", "exec \"$0\" \"$@\" 3<'my keys' 2>>log >&2", "gpg",
                                "-d", "a b"},
                       .opaque = true}));
}

}  // namespace
}  // namespace penstock::pipeline
