#include "doctor/diagnose.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <functional>
#include <set>
#include <string>

#include "doctor/rule.h"
#include "doctor/testing/diagnosed.h"

namespace penstock::doctor {
namespace {

using testing::Call;
using testing::diagnosed;
using testing::finding;
using testing::Staged;
using testing::StagedProcess;
using testing::stuck;
using testing::words;

TEST(Rules, EachHasEverythingThatTheManualPrints) {
  std::set<std::string> ids;
  for (const Rule& rule : all_rules()) {
    for (const char* text : {rule.info.id, rule.info.name, rule.info.signature, rule.info.sentence,
                             rule.info.advice, rule.info.reference}) {
      ASSERT_NE(text, nullptr);
      EXPECT_FALSE(std::string(text).empty()) << rule.info.id;
    }
    EXPECT_TRUE(ids.insert(rule.info.id).second) << rule.info.id;
    EXPECT_EQ(find_rule(rule.info.id), &rule);
  }
  EXPECT_EQ(find_rule("R05"), nullptr);
}

TEST(Rules, AGateIsLookedAtBeforeAnyLeak) {
  const auto place = [](std::string_view id) { return find_rule(id) - all_rules().data(); };
  for (const char* leak : {"R11", "R12", "R13", "R14", "R16", "R18"}) {
    EXPECT_TRUE(find_rule("R51") == nullptr || place("R51") < place(leak));
    EXPECT_LT(place("R27"), place(leak));
    EXPECT_LT(place("R02"), place(leak));
  }
  EXPECT_LT(place("R04"), place("R01"));
  EXPECT_LT(place("R24"), place("R25"));
}

// Pipelines that are well, however slow they look.
TEST(Healthy, WaitingForTheSource) {
  Staged stage;
  stage.process(5, "bash").waiting_for_child();
  stage.process(10, "curl").parent(5).stdout_pipe(7).tcp_socket(3, {.inode = 70, .state = 1});
  stage.process(10).polling();
  stage.process(11, "gzip").parent(5).stdin_pipe(7).stdout_pipe(8).reading(0);
  stage.process(12, "tar").parent(5).stdin_pipe(8).reading(0);
  EXPECT_EQ(stuck(stage), "");
  EXPECT_TRUE(diagnosed(stage).unknown.empty());
}

TEST(Healthy, ASourceThatSleepsForItsTurn) {
  Staged stage;
  stage.process(5, "bash").stdout_pipe(7).waiting_for_child();
  stage.process(10, "sleep").parent(5).stdout_pipe(7).sleeping();
  stage.process(12, "cat").parent(4).stdin_pipe(7).reading(0);
  EXPECT_EQ(stuck(stage), "");
}

TEST(Healthy, BackpressureOfACalculatingSink) {
  Staged stage;
  stage.process(10, "a").stdout_pipe(7).writing(1);
  stage.process(11, "b").stdin_pipe(7).stdout_pipe(8).writing(1);
  stage.process(12, "xz").stdin_pipe(8).running().uses_cpu(200);
  stage.pipe(7).full();
  stage.pipe(8).full();
  EXPECT_EQ(stuck(stage), "");
}

TEST(Healthy, ReaderAndWriterThatTakeTurns) {
  Staged stage;
  stage.process(10, "a").stdout_pipe(7).writing(1).switches(3);
  stage.process(11, "b").stdin_pipe(7).reading(0).switches(3);
  stage.pipe(7).later_queued(4096);
  EXPECT_EQ(stuck(stage), "");
}

TEST(Healthy, AProcessSubstitution) {
  Staged stage;
  stage.process(5, "bash").waiting_for_child();
  stage.process(10, "tee").parent(5).stdin_pipe(7).holds_write(3, 8).reading(0);
  stage.process(10).arguments({"tee", "/dev/fd/63"});
  stage.process(11, "wc").parent(5).stdin_pipe(8).reading(0);
  stage.process(12, "curl").parent(5).stdout_pipe(7).polling();
  EXPECT_EQ(stuck(stage), "");
}

TEST(Healthy, AWorkerPoolThatIsIdle) {
  Staged stage;
  stage.process(5, "python3").holds_write(4, 7).holds_read(5, 8).polling();
  for (const pid_t pid : {10, 11, 12}) {
    stage.process(pid, "python3").parent(5).holds_read(3, 7).holds_write(4, 7).holds_write(6, 8);
    stage.process(pid).reading(3);
  }
  EXPECT_EQ(stuck(stage), "");
}

TEST(Healthy, ACoprocessThatIsIdle) {
  Staged stage;
  stage.process(5, "bash").tty_fd(0).holds_write(60, 7).holds_read(63, 8).reading(0, "wait_woken");
  stage.process(10, "bc").parent(5).stdin_pipe(7).stdout_pipe(8).reading(0);
  const Diagnosis diagnosis = diagnosed(stage);
  for (const Finding& each : diagnosis.findings) EXPECT_STREQ(each.rule->id, "R30");
}

TEST(Diagnose, GivesOneFindingACause) {
  Staged stage;
  stage.process(10, "a").stdout_pipe(7).writing(1);
  stage.process(11, "b").stdin_pipe(7).stdout_pipe(8).writing(1);
  stage.process(12, "c").stdin_pipe(8).stopped();
  stage.pipe(7).full();
  stage.pipe(8).full();
  EXPECT_EQ(stuck(stage), "R27 c 12 [11 10]");
}

TEST(Diagnose, PutsTheGravestFirst) {
  Staged stage;
  stage.process(10, "a").stdout_pipe(7).writing(1).flags(1, 040000);
  stage.process(11, "b").stdin_pipe(7).stopped();
  stage.pipe(7).queued(16).writable(false);
  const Diagnosis diagnosis = diagnosed(stage);
  ASSERT_GE(diagnosis.findings.size(), 3u);
  EXPECT_EQ(diagnosis.findings[0].severity, Severity::stuck);
  EXPECT_TRUE(std::ranges::is_sorted(diagnosis.findings, {}, &Finding::severity));
}

TEST(Diagnose, AChainThatEndsAtTheUntoldIsUnknown) {
  Staged stage;
  stage.machine().looker = 1000;
  stage.process(5, "bash").waiting_for_child();
  stage.process(10, "sudo").parent(5).untold();
  const Diagnosis diagnosis = diagnosed(stage);
  EXPECT_FALSE(diagnosis.is_stuck());
  ASSERT_EQ(diagnosis.unknown.size(), 1u);
  EXPECT_EQ(diagnosis.unknown[0].process.pid, 10);
  EXPECT_EQ(diagnosis.unknown[0].sentence,
            "sudo 10: what it sleeps in is not told; run as root to see");
}

TEST(Diagnose, TheUntoldThatRunsIsNotUnknown) {
  Staged stage;
  stage.process(5, "bash").waiting_for_child();
  stage.process(10, "sudo").parent(5).untold().uses_cpu(3);
  EXPECT_TRUE(diagnosed(stage).unknown.empty());
}

TEST(Diagnose, TheUntoldForWhomNobodyWaitsIsNobodysBusiness) {
  Staged stage;
  stage.process(5, "cat").stdin_pipe(7).reading(0);
  stage.process(6, "a").stdout_pipe(7).sleeping();
  stage.process(10, "cron").untold();
  EXPECT_TRUE(diagnosed(stage).unknown.empty());
}

TEST(Diagnose, AloneTheUntoldIsUnknown) {
  Staged stage;
  stage.process(10, "zfs").untold();
  EXPECT_EQ(diagnosed(stage).unknown.size(), 1u);
}

// Its writer may be one whose table is not told.
TEST(Diagnose, AnEndThatNoTableShowsIsUnknown) {
  Staged stage;
  stage.machine().looker = 1000;
  stage.process(10, "cat").stdin_pipe(7).reading(0);
  stage.process(20, "root's").untold();
  stage.pipe(7).refused(33);
  const Diagnosis diagnosis = diagnosed(stage);
  const auto found = std::ranges::find(diagnosis.unknown, 10,
                                       [](const Unknown& each) { return each.process.pid; });
  ASSERT_NE(found, diagnosis.unknown.end());
  EXPECT_EQ(found->sentence,
            "cat 10: who holds the other end of pipe 7 is not told: the descriptors of root's 20 "
            "cannot be read; run as root to see");
}

// The table of one that ends is gone a moment before its end of the pipe is.
TEST(Diagnose, AnEndThatIsJustBeingGivenUpIsNotHidden) {
  Staged stage;
  stage.process(10, "bash").stdin_pipe(7).reading(0);
  stage.process(11, "a").stdout_pipe(7).sleeping();
  stage.process(20, "root's").untold();
  stage.pipe(7).empty().has_writer(true);
  stage.later([](procfs::Snapshot& now) { now.processes.erase(11); });
  EXPECT_TRUE(diagnosed(stage).unknown.empty());
}

TEST(Diagnose, AnEndThatCameAndWentBetweenTheSnapshotsIsNotHidden) {
  const auto unknown = [](const std::function<void(Staged&)>& change) {
    Staged stage;
    stage.process(10, "bash").stdin_pipe(7).reading(0);
    stage.process(20, "root's").untold();
    stage.pipe(7).refused(33);
    change(stage);
    const Diagnosis diagnosis = diagnosed(stage);
    return std::ranges::count(diagnosis.unknown, 10,
                              [](const Unknown& each) { return each.process.pid; });
  };
  EXPECT_EQ(unknown([](Staged&) {}), 1);
  EXPECT_EQ(unknown([](Staged& stage) {
              stage.later([](procfs::Snapshot& now) { now.pipes[7].has_writer = false; });
            }),
            0);
  EXPECT_EQ(unknown([](Staged& stage) {
              stage.later([](procfs::Snapshot& now) {
                now.pipes[7] = {.inode = 7, .refused = std::string(procfs::PipeFacts::kNobodyLeft)};
              });
            }),
            0);
  EXPECT_EQ(unknown([](Staged& stage) { stage.process(11, "a").parent(10).comes_late(); }), 0);
}

// Anything at all.
void sleep_somehow(StagedProcess process) {
  const int fd = *rc::gen::inRange(0, 7);
  switch (*rc::gen::inRange(0, 14)) {
    case 0:
      process.running();
      break;
    case 1:
      process.reading(fd);
      break;
    case 2:
      process.writing(fd);
      break;
    case 3:
      process.polling();
      break;
    case 4:
      process.epolling(fd);
      break;
    case 5:
      process.waiting_for_child();
      break;
    case 6:
      process.on_futex();
      break;
    case 7:
      process.sleeping();
      break;
    case 8:
      process.disk_sleep("cv_wait_common");
      break;
    case 9:
      process.stopped();
      break;
    case 10:
      process.in(Call::splice, "pipe_wait", {0, 0, 1});
      break;
    case 11:
      process.in(Call::ioctl, fd % 2 == 0 ? "pipe_read" : "pipe_write");
      break;
    case 12:
      process.reading(fd, "wait_woken");
      break;
    default:
      process.without_syscall();
      break;
  }
}

void open_something(StagedProcess process) {
  const int fd = *rc::gen::inRange(0, 7);
  const auto pipe = static_cast<ino_t>(*rc::gen::inRange(70, 76));
  switch (*rc::gen::inRange(0, 8)) {
    case 0:
      process.tty_fd(fd);
      break;
    case 1:
      process.unix_socket(fd, pipe + 100);
      break;
    case 2:
      process.gate(fd, pipe, "");
      break;
    case 3:
    case 4:
      process.holds_read(fd, pipe);
      break;
    default:
      process.holds_write(fd, pipe);
      break;
  }
}

Staged random_scene() {
  Staged stage;
  const int count = *rc::gen::inRange(1, 9);
  for (pid_t pid = 10; pid < 10 + count; ++pid) {
    const std::string name = *rc::gen::element<std::string>("cat", "bash", "zfs", "ssh", "make");
    StagedProcess process = stage.process(pid, name);
    process.parent(*rc::gen::inRange(1, 20)).session(*rc::gen::inRange(5, 8));
    for (int i = *rc::gen::inRange(0, 5); i > 0; --i) open_something(process);
    sleep_somehow(process);
    if (*rc::gen::inRange(0, 4) == 0) sleep_somehow(process.thread(pid + 100));
    switch (*rc::gen::inRange(0, 16)) {
      case 0:
        process.zombie();
        break;
      case 1:
        process.untold();
        break;
      case 2:
        process.not_looked_at();
        break;
      case 3:
        process.without_syscall();
        break;
      default:
        break;
    }
  }
  for (auto& [inode, facts] : stage.both().pipes) {
    switch (*rc::gen::inRange(0, 5)) {
      case 0:
        stage.pipe(inode).full();
        break;
      case 1:
        stage.pipe(inode).refused(33);
        break;
      case 2:
        stage.pipe(inode).capacity(4096).queued(2);
        break;
      default:
        break;
    }
  }
  return stage;
}

TEST(Laws, AnySceneIsDiagnosedAndNobodyIsNamedWhoIsNotThere) {
  EXPECT_TRUE(rc::check([] {
    const Staged stage = random_scene();
    const procfs::Snapshot now = stage.now();
    const Diagnosis diagnosis = diagnose(stage.before(), now);
    for (const Finding& found : diagnosis.findings) {
      RC_ASSERT(found.rule != nullptr);
      RC_ASSERT(!found.sentence.empty());
      RC_ASSERT(found.culprit.pid == 0 || now.find(found.culprit) != nullptr);
      for (const ProcessId& victim : found.victims) {
        RC_ASSERT(now.find(victim) != nullptr);
        RC_ASSERT(victim != found.culprit);
      }
      for (const Remedy& remedy : found.remedies) {
        RC_ASSERT(remedy.target.pid == 0 || now.find(remedy.target) != nullptr);
        RC_ASSERT(!remedy.command.empty() && !remedy.risk.empty());
      }
    }
  }));
}

TEST(Laws, WhereEverythingMovedNothingIsStuck) {
  EXPECT_TRUE(rc::check([] {
    Staged stage = random_scene();
    stage.later([](procfs::Snapshot& now) {
      for (auto& [pid, process] : now.processes) {
        process.cpu_ticks += 1;
        for (procfs::Task& task : process.tasks) {
          task.voluntary_switches = task.voluntary_switches.value_or(0) + 1;
          if (task.state == 'T') task.state = 'R';
        }
        if (process.stat.state == 'T') process.stat.state = 'R';
      }
    });
    RC_ASSERT(stuck(stage) == "");
  }));
}

TEST(Laws, NoStopIsEverOfferedForZfs) {
  EXPECT_TRUE(rc::check([] {
    const Staged stage = random_scene();
    const procfs::Snapshot now = stage.now();
    for (const Finding& found : diagnosed(stage).findings) {
      for (const Remedy& remedy : found.remedies) {
        if (remedy.step != Step::stop_cont) continue;
        RC_ASSERT(now.find(remedy.target)->stat.comm != "zfs");
      }
    }
  }));
}

TEST(Laws, NothingIsClosedOrEndedBecauseOfAGate) {
  EXPECT_TRUE(rc::check([] {
    const Staged stage = random_scene();
    const procfs::Snapshot before = stage.before();
    const procfs::Snapshot now = stage.now();
    const Scene scene(before, now);
    for (const Finding& found : diagnosed(stage).findings) {
      if (!found.pipe || scene.gate(*found.pipe) == nullptr) continue;
      for (const Remedy& remedy : found.remedies) RC_ASSERT(remedy.step != Step::close_own);
      const std::set<std::string> leaks = {"R11", "R12", "R13", "R14", "R16", "R18"};
      RC_ASSERT(!leaks.contains(found.rule->id));
    }
  }));
}

}  // namespace
}  // namespace penstock::doctor
