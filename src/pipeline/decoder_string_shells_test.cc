// What real shells make of the strings we see through, against what we make of them: words,
// redirections and outcome.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <regex>
#include <set>
#include <string_view>

#include "pipeline/decoder_string.h"

namespace penstock::pipeline {
namespace {

namespace fs = std::filesystem;

// Writes its words to a file of its own, passes its first input line on unless a shell wrote it,
// and says something on both outputs. It gets no SIGPIPE, so what it does never depends on who is
// faster.
constexpr std::string_view kHelper = R"(#!/bin/sh
trap '' PIPE
me=${0##*/}
{ printf '<%s>' "$@"; echo; } 2>/dev/null >>"$me.args"
IFS= read -r line 2>/dev/null
case $line in out*|err*|in) ;; *) line='';; esac
printf 'out %s(%s)\n' "$me" "$line" 2>/dev/null
printf 'err %s\n' "$me" 1>&2 2>/dev/null
)";

std::string contents(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// What a run left behind: every file's content, stdout and stderr among them, and whether it ended
// well.
struct Outcome {
  std::map<std::string, std::string> files;
  bool succeeded = false;

  bool operator==(const Outcome&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
  out << (outcome.succeeded ? "succeeded" : "failed");
  for (const auto& [name, content] : outcome.files) out << "\n  " << name << ": " << content;
  return out;
}

// A program to be started, its descriptors set up step by step. By posix_spawn: a fork of a process
// under asan is slow.
class Start {
 public:
  explicit Start(const std::string& directory) : actions_(std::make_unique<Actions>()) {
    posix_spawn_file_actions_addchdir_np(&actions_->value, directory.c_str());
    constexpr int kAppend = O_WRONLY | O_CREAT | O_APPEND;
    open_as(0, "/dev/null", O_RDONLY);
    open_as(1, "stdout", kAppend);
    open_as(2, "stderr", kAppend);
  }

  void duplicate(int from, int to) { posix_spawn_file_actions_adddup2(&actions_->value, from, to); }
  void close_others() {
    for (int fd = 3; fd < 10; ++fd) posix_spawn_file_actions_addclose(&actions_->value, fd);
  }
  void apply(const Redirect& redirect) {
    using Mode = Redirect::Mode;
    if (redirect.mode == Mode::read) open_as(redirect.fd, redirect.path, O_RDONLY);
    if (redirect.mode == Mode::write)
      open_as(redirect.fd, redirect.path, O_WRONLY | O_CREAT | O_TRUNC);
    if (redirect.mode == Mode::append)
      open_as(redirect.fd, redirect.path, O_WRONLY | O_CREAT | O_APPEND);
    if (redirect.mode == Mode::duplicate) duplicate(redirect.from_fd, redirect.fd);
  }

  void run(const std::vector<std::string>& words) {
    std::vector<char*> argv;
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    if (posix_spawnp(&pid_, argv[0], &actions_->value, nullptr, argv.data(), environ) != 0)
      pid_ = 0;
  }

  bool succeeded() const {
    int status = 1;
    return pid_ > 0 && waitpid(pid_, &status, 0) == pid_ && status == 0;
  }

 private:
  struct Actions {
    Actions() { posix_spawn_file_actions_init(&value); }
    ~Actions() { posix_spawn_file_actions_destroy(&value); }
    posix_spawn_file_actions_t value{};
  };

  void open_as(int fd, const std::string& path, int flags) {
    posix_spawn_file_actions_addopen(&actions_->value, fd, path.c_str(), flags, 0666);
  }

  std::unique_ptr<Actions> actions_;
  pid_t pid_ = 0;
};

class Shells : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    std::string name = testing::TempDir() + "penstock-shells-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
    std::ofstream(directory_ / "s0", std::ios::binary) << kHelper;
    fs::permissions(directory_ / "s0", fs::perms::owner_all);
    for (const char* stage : {"s1", "s2", "s3"}) fs::create_symlink("s0", directory_ / stage);
  }
  void TearDown() override {
    fs::remove_all(directory_);
    prctl(PR_SET_CHILD_SUBREAPER, 0);
  }

  Outcome run_by_shell(const std::string& shell, const std::string& text) {
    Start start = outer_start();
    start.close_others();
    start.run({shell, "-c", text});
    return outcome(start.succeeded());
  }

  // Our stages, started as the design says: pipes first, then redirections in order.
  Outcome run_by_us(const std::vector<StageSpec>& stages) {
    std::vector<Start> starts;
    int input = -1;
    for (size_t i = 0; i < stages.size(); ++i) {
      std::array<int, 2> next = {-1, -1};
      if (i + 1 < stages.size() && pipe2(next.data(), O_CLOEXEC) != 0) abort();
      Start start = outer_start();
      if (input >= 0) start.duplicate(input, 0);
      if (next[1] >= 0) start.duplicate(next[1], 1);
      start.close_others();
      for (const Redirect& redirect : stages[i].redirects) start.apply(redirect);
      start.run(stages[i].argv);
      if (input >= 0) close(input);
      if (next[1] >= 0) close(next[1]);
      input = next[0];
      starts.push_back(std::move(start));
    }
    return outcome(starts.back().succeeded());
  }

  std::string stage_path(size_t i) const {
    return (directory_ / ("s" + std::to_string(i))).string();
  }

 private:
  fs::path work() const { return directory_ / "work"; }

  // A program in a fresh directory, with nothing to read and both outputs going to files there.
  Start outer_start() {
    if (fs::create_directory(work())) std::ofstream(work() / "in") << "in\n";
    return Start(work());
  }

  // Once nobody is left who could write: ksh does not wait for all stages, so they are waited for
  // here.
  Outcome outcome(bool succeeded) {
    while (waitpid(-1, nullptr, 0) > 0) continue;
    Outcome outcome{.succeeded = succeeded};
    for (const auto& entry : fs::directory_iterator(work())) {
      const std::string text = contents(entry.path());
      const bool whole = entry.path().extension() == ".args";
      outcome.files[entry.path().filename().string()] = whole ? text : helper_lines(text);
    }
    fs::remove_all(work());
    return outcome;
  }

  // Without what shells say in words of their own: dash writes that piece by piece, so a helper's
  // line may stand in the middle of it. Sorted, as stages side by side write in any order.
  static std::string helper_lines(const std::string& text) {
    static const std::regex kLine("(out|err) s[0-9][^\n]*\n");
    std::multiset<std::string> lines;
    for (std::sregex_iterator i(text.begin(), text.end(), kLine), end; i != end; ++i) {
      lines.insert(i->str());
    }
    std::string out;
    for (const std::string& line : lines) out += line;
    return out;
  }

  fs::path directory_;
};

// With every sort of quoting, and some that are refused.
constexpr auto kWords = std::to_array<std::string_view>({
    "a",
    "2",
    "12",
    "a=b",
    "-x",
    "x~",
    "a:b",
    "%1",
    ",",
    "@",
    "+",
    "''",
    "\"\"",
    "' '",
    "\"a b\"",
    "'$x'",
    "'\\'",
    "'\"'",
    "\"'\"",
    "'|'",
    "\"|\"",
    "'*'",
    "\"*\"",
    "'~'",
    "'#'",
    "'!'",
    "\"#\"",
    "\"{a,b}\"",
    "\"\xc3\x81\"",
    "'\xc3\xa9\x88'",
    "'\xff'",
    "\\ ",
    "\\|",
    "\\'",
    "\\\"",
    "\\\\",
    "\\*",
    "\\$",
    "\\~",
    "\\#",
    "\\2",
    "\\!",
    "\\n",
    "\\>",
    "\\{",
    "\\`",
    "\\&",
    "'%s'",
    "\"=~\"",
    "\\[a\\]",
    "'[a-z]'",
    "in",
    "x=y:z",
    "]",
    "#",
    "a~",
    "=",
    "{",
    "}",
    "^",
    "\\-",
    "''a\"\"",
    "time",
});

// Strings made of what shells care about. Mostly well-formed, so that a good share is seen through.
class Generator {
 public:
  explicit Generator(std::function<std::string(size_t)> stage_path)
      : stage_path_(std::move(stage_path)) {}

  std::string next() {
    files_ = 0;
    std::string text = one_in(4) ? pick({" ", "\t", "2>/dev/null "}) : "";
    const size_t stages = 1 + random() % 4;
    for (size_t i = 0; i < stages; ++i) {
      if (i > 0) text += pick({"|", " | ", "| ", " |\t", " 2>&1| "});
      text += stage_path_(i);
      for (size_t parts = random() % 6; parts > 0; --parts) {
        if (!one_in(5)) text += pick({" ", " ", "  ", "\t"});
        text += one_in(4) ? redirect() : word();
      }
    }
    return text;
  }

 private:
  std::string word() { return std::string(kWords[random() % kWords.size()]); }

  // Each names a file of its own, as stages that share one would race.
  std::string redirect() {
    const std::string file =
        pick({"", " "}) + pick({"f", "'f f'", "\"f|\"", "f\\ "}) + std::to_string(files_++);
    return pick({">", "2>", ">>", "2>>", "1>", "3>", "9>", "0>", "<", "12>", "'2'>"}) + file +
           pick({"", " ", " 2>&1", " 2>&3", " >&3", " >&2 ", " 3>&1 2>&3", " <in", " 0<in ",
                 " 4<in", " 2>&1 ", "2>&1", ">&2", " 0>&2", " 2>&0", " </dev/null", " 5>&4"});
  }

  std::string pick(std::initializer_list<const char*> choices) {
    return std::data(choices)[random() % choices.size()];
  }
  bool one_in(size_t n) { return random() % n == 0; }
  size_t random() { return random_(); }

  std::function<std::string(size_t)> stage_path_;
  std::mt19937 random_{20240229};  // always the same strings: a failure stays one
  int files_ = 0;
};

class EachShell : public Shells, public testing::WithParamInterface<const char*> {};

TEST_P(EachShell, RunsWhatWeSeeThroughAsWeDo) {
  const std::string shell = GetParam();
  if (access(shell.c_str(), X_OK) != 0) {
    GTEST_SKIP() << shell << " IS MISSING: nothing was compared";
  }
  Generator generator([this](size_t i) { return stage_path(i); });
  constexpr int kWanted = 300;
  int compared = 0;
  for (int made = 0; made < 20 * kWanted && compared < kWanted; ++made) {
    const std::string text = generator.next();
    const DecoderPlan plan = plan_decoder(text, {});
    if (!plan.seen_through) continue;
    ++compared;
    const Outcome ours = run_by_us(plan.stages);
    ASSERT_EQ(ours, run_by_shell(shell, text)) << text;
    // And what we show to people means the same again.
    ASSERT_EQ(plan_decoder(describe(plan.stages), {}).stages, plan.stages) << text;
  }
  EXPECT_EQ(compared, kWanted) << "the generator makes too few strings that are seen through";
}

INSTANTIATE_TEST_SUITE_P(DecoderString, EachShell,
                         testing::Values("/bin/sh", "/bin/bash", "/bin/dash", "/bin/ksh"));

}  // namespace
}  // namespace penstock::pipeline
