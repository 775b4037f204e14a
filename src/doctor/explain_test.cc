#include "doctor/explain.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "base/text.h"
#include "doctor/looking.h"
#include "doctor/testing/staged.h"

namespace penstock::doctor {
namespace {

using testing::Staged;

constexpr RuleInfo kLostWakeup{.id = "R01", .name = "lost wakeup"};
constexpr RuleInfo kSlow{.id = "R48", .name = "slow, not stuck"};
constexpr RuleInfo kOneSlot{.id = "R07", .name = "pipes shrunk by the user's limit"};

// gpg -> zstdcat -> zfs, the second link of which has lost a wakeup.
void stage_story(Staged& stage) {
  stage.process(4709, "gpg").stdout_pipe(81230).writing(1);
  stage.process(4710, "zstdcat").stdin_pipe(81230).stdout_pipe(81234).on_futex();
  stage.process(4710, "zstdcat").thread(4714).writing(1);
  stage.process(4711, "zfs")
      .arguments({"zfs", "receive", "-u", "tank/x"})
      .stdin_pipe(81234)
      .reading(0);
  stage.pipe(81230).full();
  stage.pipe(81234).capacity(1 << 20).empty();
}

Finding story_finding(const Scene& scene) {
  const ProcessId zstd = scene.find(4710)->id();
  return {.rule = &kLostWakeup,
          .severity = Severity::stuck,
          .certainty = Certainty::certain,
          .culprit = zstd,
          .victims = {scene.find(4709)->id(), scene.find(4711)->id()},
          .pipe = 81234,
          .since_s = 192.4,
          .sentence = "zstdcat 4710 sleeps in a write to pipe 81234, although the pipe has room.",
          .evidence = {"thread 4714: anon_pipe_write"},
          .remedies = {{.step = Step::nudge,
                        .target = zstd,
                        .pipe = 81234,
                        .command = "penstock doctor 4711 --heal",
                        .risk = "no signal, no byte touched",
                        .safe = true}}};
}

class ExplainTest : public ::testing::Test {
 protected:
  const Scene& scene() {
    before_ = stage_.before();
    now_ = stage_.now();
    return scene_.emplace(before_, now_);
  }

  Staged stage_;
  procfs::Snapshot before_;
  procfs::Snapshot now_;
  std::optional<Scene> scene_;
};

TEST_F(ExplainTest, TellsTheStoryInTheWordsOfTheStory) {
  stage_story(stage_);
  const Scene& scene = this->scene();
  const Diagnosis diagnosis{.findings = {story_finding(scene)}};
  EXPECT_EQ(explain(diagnosis, scene, {.width = 90}),
            "STUCK for 3 min 12 s: lost wakeup (R01, certain)\n"
            "  gpg 4709 ─────────────▶ zstdcat 4710 ──────────▶ zfs receive 4711\n"
            "  asleep in write  full   asleep in write  empty   asleep in read\n"
            "                          ▲ culprit\n"
            "  zstdcat 4710 sleeps in a write to pipe 81234, although the pipe has room.\n"
            "  gpg 4709 and zfs receive 4711 wait for zstdcat 4710: victims, not the cause.\n"
            "  - thread 4714: anon_pipe_write\n"
            "  To free it:  penstock doctor 4711 --heal   (no signal, no byte touched)\n"
            "  Never:       strace or SIGSTOP on zfs receive 4711 (it would break the stream).\n");
  EXPECT_EQ(verdict_of(diagnosis, scene), Verdict::stuck);
}

TEST_F(ExplainTest, TellsWhatARemedyIsOrderedBy) {
  stage_story(stage_);
  const Scene& scene = this->scene();
  Finding finding = story_finding(scene);
  finding.remedies.push_back({.step = Step::end_holder, .command = "kill 4711", .risk = "it ends"});
  finding.remedies.push_back({.step = Step::wait, .command = "wait", .risk = "none"});
  finding.remedies.push_back({.step = Step::close_own, .command = "close it", .risk = "hard"});
  const std::string text = explain({.findings = {finding}}, scene, {.width = 90});
  EXPECT_NE(text.find("  To free it:  penstock doctor 4711 --heal   (no signal, no byte touched)\n"
                      "  Or:          kill 4711   (--heal=H3; it ends)\n"
                      "  Or:          wait   (none)\n"
                      "  Or:          close it   (hard)\n"),
            std::string::npos)
      << text;
  finding.severity = Severity::warning;
  const std::string warning = explain({.findings = {finding}}, scene, {.width = 90});
  EXPECT_NE(warning.find("kill 4711   (it ends)"), std::string::npos)
      << "only what is stuck is healed: " << warning;
}

TEST_F(ExplainTest, GoesDownWhereItIsTooNarrowToGoAcross) {
  stage_story(stage_);
  const Scene& scene = this->scene();
  const Diagnosis diagnosis{.findings = {story_finding(scene)}};
  const std::string text = explain(diagnosis, scene, {.width = 50, .ascii = true});
  EXPECT_NE(text.find("  gpg 4709          asleep in write\n"
                      "    | full\n"
                      "  zstdcat 4710      asleep in write  <- culprit\n"
                      "    | empty\n"
                      "  zfs receive 4711  asleep in read\n"),
            std::string::npos)
      << text;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(columns(line), 50U) << line;
}

TEST_F(ExplainTest, SaysWhatMovedWhereNothingIsStuck) {
  stage_.process(101, "gpg").stdout_pipe(10).writing(1).switches().moves_bytes(0, 90 << 20);
  stage_.process(102, "zfs").stdin_pipe(10).reading(0).switches().moves_bytes(90 << 20, 0);
  const Scene& scene = this->scene();
  Diagnosis diagnosis;
  diagnosis.findings = {{.rule = &kSlow,
                         .severity = Severity::info,
                         .certainty = Certainty::certain,
                         .culprit = scene.find(102)->id(),
                         .sentence = "zfs is the slowest."}};
  EXPECT_EQ(explain(diagnosis, scene, {}),
            "nothing is stuck: gpg 101 → zfs 102 moved 45.0 MiB/s; slowest: zfs 102\n");
  EXPECT_EQ(verdict_of(diagnosis, scene), Verdict::fine);
}

TEST_F(ExplainTest, NeverCallsTheUnknownHealthy) {
  stage_.process(101, "sleep").stdout_pipe(10).untold();
  stage_.process(102, "cat").stdin_pipe(10).reading(0);
  const Scene& scene = this->scene();
  Diagnosis diagnosis;
  diagnosis.unknown = {
      {scene.find(101)->id(), "sleep 101: its sleep is not told; run as root to see"}};
  const std::string text = explain(diagnosis, scene, {});
  EXPECT_EQ(text,
            "unknown: 1 process could not be judged; the other one is not stuck\n"
            "  unknown: sleep 101: its sleep is not told; run as root to see\n");
  EXPECT_EQ(verdict_of(diagnosis, scene), Verdict::fine);
  diagnosis.unknown.push_back({scene.find(102)->id(), "cat 102: …"});
  EXPECT_EQ(verdict_of(diagnosis, scene), Verdict::unknown);
}

TEST_F(ExplainTest, NamesFromOutsideCannotMoveTheCursor) {
  stage_.process(101, "a\nb\x1b[2J").stdout_pipe(10).writing(1);
  stage_.process(102, "cat").stdin_pipe(10).reading(0);
  const Scene& scene = this->scene();
  const std::string text = explain_graph({}, scene, {});
  EXPECT_NE(text.find("a\\x0ab\\x1b[2J 101 "), std::string::npos) << text;
}

TEST_F(ExplainTest, LeavesOutWhoOnlyPassesAnEndOn) {
  stage_.process(101, "bash").stdin_pipe(10).stdout_pipe(11).waiting_for_child();
  stage_.process(102, "gpg").parent(101).stdin_pipe(10).stdout_pipe(12).writing(1);
  stage_.process(103, "zstd").parent(101).stdin_pipe(12).stdout_pipe(11).reading(0);
  stage_.process(104, "cat").stdout_pipe(10).writing(1);
  stage_.process(105, "zfs").stdin_pipe(11).reading(0);
  const std::vector<Pipeline> all = pipelines(scene());
  ASSERT_EQ(all.size(), 1U);
  EXPECT_TRUE(all[0].is_chain());
  std::string labels;
  for (const PipelineStage& each : all[0].stages) labels += each.label + " ";
  EXPECT_EQ(labels, "cat 104 gpg 102 zstd 103 zfs 105 ");
}

TEST_F(ExplainTest, DrawsWhatIsNoChainAsAList) {
  stage_.process(101, "make").stdin_pipe(10).holds_write(4, 10).reading(0);
  stage_.process(102, "make").stdin_pipe(10).holds_write(4, 10).reading(0);
  stage_.pipe(10).empty();
  const Scene& scene = this->scene();
  const std::vector<Pipeline> all = pipelines(scene);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(draw(all[0], {scene.find(102)->id()}, {}),
            "  make 101, make 102 ──▶ make 101, make 102  (pipe 10: empty)\n"
            "    make 101  asleep in read\n"
            "    make 102  asleep in read  ◀ culprit\n");
}

TEST_F(ExplainTest, DrawsNothingWiderThanTheCanvas) {
  stage_.process(101, "cat").stdout_pipe(10).running();
  stage_.process(102, "rsync").stdin_pipe(10).reading(0);
  stage_.pipe(10).empty();
  const Scene& scene = this->scene();
  const std::vector<Pipeline> all = pipelines(scene);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(draw(all[0], {scene.find(102)->id()}, {.width = 24}),
            "  cat 101    running\n"
            "    │ empty\n"
            "  rsync 102  asleep in\n"
            "             read  ◀\n"
            "             culprit\n");
}

TEST_F(ExplainTest, ShowsAHolderThatNoTableShows) {
  stage_.process(102, "cat").stdin_pipe(10).reading(0);
  stage_.pipe(10).empty().has_writer(true);
  const std::vector<Pipeline> all = pipelines(scene());
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(draw(all[0], {}, {}),
            "  ? ─────────────────▶ cat 102\n"
            "  not visible  empty   asleep in read\n");
}

TEST_F(ExplainTest, GraphvizMarksTheCulpritAndTheWeakEdges) {
  stage_story(stage_);
  const Scene& scene = this->scene();
  Diagnosis diagnosis{.findings = {story_finding(scene)}};
  const Node gpg{.process = scene.find(4709)->id()};
  const Node zstd{.process = scene.find(4710)->id()};
  const Node peer{.external = "TCP peer \"x\""};
  diagnosis.nodes = {gpg, zstd, peer};
  diagnosis.edges = {{.from = gpg, .to = zstd, .kind = EdgeKind::pipe_full, .pipe = 81230},
                     {.from = zstd, .to = peer, .strong = false}};
  const std::string dot = to_dot(diagnosis, scene);
  EXPECT_NE(dot.find("p4710 [label=\"zstdcat 4710\\nasleep in write\", style=filled, "
                     "fillcolor=tomato];\n"),
            std::string::npos)
      << dot;
  EXPECT_NE(dot.find("\"TCP peer \\\"x\\\"\" [shape=ellipse];\n"), std::string::npos) << dot;
  EXPECT_NE(dot.find("p4709 -> p4710 [label="), std::string::npos) << dot;
  EXPECT_NE(dot.find(", style=dashed];\n"), std::string::npos) << dot;
}

TEST_F(ExplainTest, SaysWhomAllWaitFor) {
  stage_.process(101, "yes").stdout_pipe(10).writing(1);
  stage_.process(102, "nap").stdin_pipe(10).in(procfs::Call::sleep, "hrtimer_nanosleep");
  stage_.pipe(10).full();
  const Scene& scene = this->scene();
  const WaitGraph graph(scene);
  Diagnosis diagnosis;
  diagnosis.edges = graph.edges();
  EXPECT_EQ(explain(diagnosis, scene, {.width = 200, .ascii = true}),
            "nothing is stuck: yes 101 -> nap 102 moved nothing meanwhile; all wait for nap 102, "
            "which sleeps of its own accord (hrtimer_nanosleep)\n");
}

TEST_F(ExplainTest, SaysSoOnlyOfWhomAllWaitFor) {
  // The first waits for somebody outside; so it is not the napping one.
  stage_.process(101, "nc").stdout_pipe(10).in(procfs::Call::receive, "tcp_recvmsg");
  stage_.process(102, "nap").stdin_pipe(10).stdout_pipe(11).in(procfs::Call::sleep, "nanosleep");
  stage_.process(103, "cat").stdin_pipe(11).reading(0);
  stage_.pipe(10).empty();
  stage_.pipe(11).empty();
  const Scene& scene = this->scene();
  Diagnosis diagnosis;
  diagnosis.edges = {{.from = node_of(*scene.find(101)), .to = {.external = "peer"}},
                     {.from = node_of(*scene.find(103)), .to = node_of(*scene.find(102))}};
  EXPECT_EQ(explain(diagnosis, scene, {}).find("all wait"), std::string::npos);
}

TEST_F(ExplainTest, SaysWhatALonelyProcessDoes) {
  stage_.process(101, "make").waiting_for_child();
  EXPECT_EQ(explain({}, scene(), {.width = 200}),
            "nothing is stuck: make 101 has no pipe to anybody; it waits for a child (do_wait)\n");
}

TEST_F(ExplainTest, CountsTheOthersOfWhomItKnowsNothing) {
  stage_.process(101, "a").stdout_pipe(10).writing(1);
  const Scene& scene = this->scene();
  Diagnosis diagnosis;
  diagnosis.unknown = {{.process = {.pid = 7, .start_time = 1}, .sentence = "process 7: gone"},
                       {.process = scene.find(101)->id(), .sentence = "a 101: not told"}};
  EXPECT_NE(explain(diagnosis, scene, {}).find("unknown: 2 processes could not be judged\n"),
            std::string::npos);
}

TEST_F(ExplainTest, WarningsAreNoAlarm) {
  stage_.process(101, "a").stdout_pipe(10).writing(1);
  stage_.process(102, "b").stdin_pipe(10).running();
  const Scene& scene = this->scene();
  Diagnosis diagnosis;
  diagnosis.findings = {{.rule = &kOneSlot,
                         .severity = Severity::warning,
                         .certainty = Certainty::likely,
                         .culprit = scene.find(101)->id(),
                         .sentence = "Its pipes are small.",
                         .remedies = {{.step = Step::wait, .command = "raise the limit"}}}};
  const std::string text = explain(diagnosis, scene, {});
  EXPECT_TRUE(text.starts_with("nothing is stuck: a 101 → b 102")) << text;
  EXPECT_NE(text.find("\nwarning: pipes shrunk by the user's limit (R07, likely)\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("  What to do:  raise the limit\n"), std::string::npos) << text;
}

TEST(Duration, IsToldInTwoUnits) {
  EXPECT_EQ(describe_duration(-1), "0 s");
  EXPECT_EQ(describe_duration(1.26), "1.3 s");
  EXPECT_EQ(describe_duration(59.9), "59 s");
  EXPECT_EQ(describe_duration(192.4), "3 min 12 s");
  EXPECT_EQ(describe_duration(7500), "2 h 5 min");
  EXPECT_EQ(describe_duration(90000), "1 d 1 h");
}

TEST(Wrapped, IndentsWhatDoesNotFit) {
  EXPECT_EQ(wrapped("  - ", "one two three", {.width = 12}), "  - one two\n    three\n");
  EXPECT_EQ(wrapped("", "averyveryverylongword x", {.width = 5}), "averyveryverylongword\nx\n");
}

}  // namespace
}  // namespace penstock::doctor
