#include "doctor/unseen.h"

#include <gtest/gtest.h>

#include "doctor/explain.h"
#include "doctor/testing/diagnosed.h"

namespace penstock::doctor {
namespace {

using testing::Call;
using testing::Staged;

constexpr uint64_t kPrivateWait = 128 | 9;

// One that sleeps so without limit, and has for long.
struct UnseenWait : ::testing::Test {
  void locked(pid_t pid, pid_t tid, uint64_t operation = kPrivateWait) {
    stage.process(pid).thread(tid).in(Call::futex, "futex_do_wait", {0x7f00, operation});
    rests(pid, 100);
  }
  void answerless(pid_t pid) {
    stage.process(pid).unix_socket(3, 900).in(Call::receive, "unix_stream_read_generic", {3});
    rests(pid, 100);
  }
  void rests(pid_t pid, double seconds) {
    for (procfs::Task& task : stage.both().processes.at(pid).tasks) task.idle_s = seconds;
  }

  struct Answer {
    Verdict verdict = Verdict::fine;
    std::string sentences;
    std::string text;
  };
  // As `penstock doctor PID...` has it.
  Answer ask(const std::vector<pid_t>& pids = {}) {
    const procfs::Snapshot before = stage.before();
    const procfs::Snapshot now = stage.now();
    const Scene scene(before, now);
    Diagnosis diagnosis = diagnose(before, now);
    std::vector<ProcessId> named;
    for (const pid_t pid : pids) named.push_back(scene.find(pid)->id());
    Answer answer;
    const bool is_all = admit_unknown(diagnosis, scene, named);
    answer.verdict = verdict_of(diagnosis, scene);
    if (is_all && answer.verdict == Verdict::fine) answer.verdict = Verdict::unknown;
    for (const Unknown& each : diagnosis.unknown) answer.sentences += cat(each.sentence, "\n");
    answer.text = explain(diagnosis, scene, {.width = 200, .ascii = true});
    return answer;
  }

  Staged stage;
};

TEST_F(UnseenWait, OfOneThatWasNamed) {
  stage.process(10, "python3");
  locked(10, 10);
  const Answer answer = ask({10});
  EXPECT_EQ(answer.verdict, Verdict::unknown);
  EXPECT_EQ(answer.sentences,
            "python3 10: its only thread waits for a lock within the program; nobody but a "
            "signal's handler could release it, and whether one will is not told\n");
  EXPECT_EQ(answer.text.find("nothing is stuck"), std::string::npos) << answer.text;
}

// Anybody may open it, so nothing is stuck; and nothing is hidden.
TEST_F(UnseenWait, IsNoneOfWhoeverReadsFromHisOwnFifo) {
  stage.process(10, "cat").fifo(0, 7, "/tmp/f", true, true).reading(0);
  const Answer answer = ask({10});
  EXPECT_EQ(answer.verdict, Verdict::fine) << answer.text;
  EXPECT_EQ(answer.sentences, "");
}

TEST_F(UnseenWait, OfOneThatTheNamedOneWaitsFor) {
  stage.process(5, "bash").waiting_for_child();
  stage.process(10, "python3").parent(5);
  locked(10, 10);
  EXPECT_EQ(ask({5}).verdict, Verdict::unknown);
}

TEST_F(UnseenWait, IsNobodysBusinessWhereNobodyAsks) {
  stage.process(10, "daemon");
  locked(10, 10);
  answerless(11);
  const Answer answer = ask();
  EXPECT_EQ(answer.verdict, Verdict::fine);
  EXPECT_EQ(answer.sentences, "");
}

TEST_F(UnseenWait, OfTheOneThatAllOthersOfThePipelineWaitFor) {
  stage.process(10, "python3").stdout_pipe(7);
  stage.process(11, "gzip").stdin_pipe(7).stdout_pipe(8).reading(0);
  stage.process(12, "cat").stdin_pipe(8).reading(0);
  locked(10, 10);
  locked(10, 14);
  const Answer answer = ask();
  EXPECT_EQ(answer.verdict, Verdict::unknown);
  EXPECT_EQ(answer.sentences,
            "python3 10: all its 2 threads wait for locks within the program; which of them should "
            "release one first is not told\n");
  EXPECT_TRUE(answer.text.starts_with(
      "unknown: 1 process could not be judged; 2 others wait for it\n  python3 10 --"))
      << answer.text;
}

TEST_F(UnseenWait, OnASocketWhoseOtherEndNobodyShows) {
  stage.process(10, "yes").stdout_pipe(7).writing(1);
  stage.process(11, "python3").stdin_pipe(7);
  stage.pipe(7).full();
  answerless(11);
  EXPECT_EQ(ask().verdict, Verdict::unknown);
  EXPECT_EQ(ask({10}).sentences,
            "python3 11: waits for an answer on UNIX socket 900, and /proc does not tell who has "
            "the other end (ss -xp does)\n");
}

TEST_F(UnseenWait, IsNoneWhereSomebodyElseCouldServeTheOthers) {
  // A pool of workers at rest: one reads the pipe that all of them could write.
  stage.process(5, "python3").holds_write(4, 7).polling();
  stage.process(10, "python3").parent(5).holds_read(3, 7).holds_write(4, 7).reading(3);
  stage.process(11, "python3").parent(5).holds_read(3, 7).holds_write(4, 7);
  locked(11, 11, 9);
  EXPECT_EQ(ask().sentences, "");
  EXPECT_EQ(ask({11}).sentences,
            "python3 11: its only thread waits for a lock in memory that it may share with others; "
            "who has it is not told\n");
}

TEST_F(UnseenWait, IsNoneOfAServiceThatWaitsForAnybody) {
  stage.process(10, "daemon").unix_socket(3, 900, "/run/d");
  stage.process(10).in(Call::accept, "unix_stream_data_wait", {3});
  rests(10, 100);
  stage.both().unix_sockets.at(900).state = 1;
  EXPECT_EQ(ask({10}).sentences, "");
}

TEST_F(UnseenWait, IsNoneWhereAThreadWaitsForSomethingElse) {
  stage.process(10, "server");
  locked(10, 10);
  stage.process(10).thread(14).polling();
  rests(10, 100);
  EXPECT_EQ(ask({10}).sentences, "");
}

TEST_F(UnseenWait, IsNoneWithATimeLimit) {
  stage.process(10, "server").in(Call::futex, "futex_do_wait", {0x7f00, kPrivateWait, 0, 0x7f10});
  rests(10, 100);
  EXPECT_EQ(ask({10}).sentences, "");
}

TEST_F(UnseenWait, IsNoneForAShortTime) {
  stage.process(10, "gpg");
  answerless(10);
  rests(10, 4);
  EXPECT_EQ(ask({10}).sentences, "");
}

TEST_F(UnseenWait, IsNoneOfOneThatMoves) {
  stage.process(10, "gpg");
  answerless(10);
  stage.process(10).switches();
  EXPECT_EQ(ask({10}).sentences, "");
}

TEST_F(UnseenWait, IsNoneWhereAFindingSaysWhatItIs) {
  stage.process(10, "gpg").stdout_pipe(7);
  answerless(10);
  stage.process(11, "tar").stdin_pipe(7).reading(0);
  stage.process(30, "pinentry").polling();
  const Answer answer = ask({10});
  EXPECT_EQ(answer.verdict, Verdict::stuck);
  EXPECT_EQ(answer.sentences, "");
}

}  // namespace
}  // namespace penstock::doctor
