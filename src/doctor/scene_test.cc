#include "doctor/scene.h"

#include <gtest/gtest.h>

#include "doctor/remedy.h"
#include "doctor/testing/staged.h"

namespace penstock::doctor {
namespace {

using testing::Call;
using testing::Staged;

// Keeps the snapshots that the scene borrows.
struct Staging {
  explicit Staging(const Staged& stage)
      : before(stage.before()), now(stage.now()), scene(before, now) {}
  procfs::Snapshot before;
  procfs::Snapshot now;
  Scene scene;

  const Wait& wait(pid_t pid) const { return *scene.waits_of(pid).front(); }
};

TEST(Scene, AWaitIsSteadyWhenNothingOfItMoved) {
  Staged stage;
  stage.process(10, "cat").stdin_pipe(7).reading(0);
  const Staging seen(stage);
  EXPECT_EQ(seen.wait(10).kind, WaitKind::pipe_read);
  EXPECT_TRUE(seen.wait(10).steady);
  EXPECT_EQ(seen.wait(10).pipe, 7u);
  EXPECT_EQ(seen.wait(10).fd, 0);
  EXPECT_FALSE(seen.scene.moved(10));
  EXPECT_EQ(seen.scene.steady_on(WaitKind::pipe_read, 7).size(), 1u);
}

TEST(Scene, AThreadThatWasWokenIsNotSteady) {
  Staged stage;
  stage.process(10, "cat").stdin_pipe(7).reading(0).switches();
  const Staging seen(stage);
  EXPECT_FALSE(seen.wait(10).steady);
  EXPECT_TRUE(seen.scene.moved(10));
}

TEST(Scene, OtherArgumentsAreAnotherCall) {
  Staged stage;
  stage.process(10, "cat").stdin_pipe(7).reading(0);
  stage.later(
      [](procfs::Snapshot& now) { now.processes.at(10).tasks[0].syscall->arguments[1] = 0x8000; });
  EXPECT_FALSE(Staging(stage).wait(10).steady);
}

TEST(Scene, SwitchesThatAreNotToldProveNothing) {
  Staged stage;
  stage.process(10, "cat").stdin_pipe(7).reading(0).task().voluntary_switches.reset();
  EXPECT_FALSE(Staging(stage).wait(10).steady);
}

TEST(Scene, ANumberGivenOutAnewIsAnotherProcess) {
  Staged stage;
  stage.process(10, "cat").stdin_pipe(7).reading(0).is_another();
  const Staging seen(stage);
  EXPECT_TRUE(seen.scene.waits_of(10).empty());
  EXPECT_TRUE(seen.scene.moved(10));
  EXPECT_FALSE(seen.scene.is_told(10));
}

TEST(Scene, WhatIsNotToldIsUntoldNotAwake) {
  Staged stage;
  stage.process(10, "cat").untold();
  const Staging seen(stage);
  EXPECT_EQ(seen.wait(10).kind, WaitKind::untold);
  EXPECT_FALSE(seen.scene.is_told(10));
  EXPECT_EQ(seen.scene.unreadable().size(), 1u);
}

struct NameCase {
  const char* wchan;
  WaitKind kind;
};
class SleepName : public ::testing::TestWithParam<NameCase> {};

TEST_P(SleepName, SaysTheKind) {
  Staged stage;
  stage.process(10, "x").stdin_pipe(7).stdout_pipe(8).in(Call::other, GetParam().wchan);
  EXPECT_EQ(Staging(stage).wait(10).kind, GetParam().kind);
}

INSTANTIATE_TEST_SUITE_P(
    Kernels, SleepName,
    ::testing::Values(
        NameCase{"anon_pipe_read", WaitKind::pipe_read},
        NameCase{"pipe_write", WaitKind::pipe_write},
        NameCase{"pipe_wait_readable", WaitKind::pipe_read},
        NameCase{"pipe_wait_writable", WaitKind::pipe_write},
        NameCase{"wait_for_partner", WaitKind::fifo_open},
        NameCase{"do_epoll_wait", WaitKind::poll}, NameCase{"ep_poll", WaitKind::poll},
        NameCase{"do_sys_poll", WaitKind::poll},
        NameCase{"poll_schedule_timeout.constprop.0", WaitKind::poll},
        NameCase{"futex_do_wait", WaitKind::futex},
        NameCase{"futex_wait_queue_me", WaitKind::futex}, NameCase{"do_wait", WaitKind::child},
        NameCase{"__do_wait", WaitKind::child}, NameCase{"do_wait_intr_irq", WaitKind::other},
        NameCase{"unix_stream_read_generic", WaitKind::unix_socket},
        NameCase{"sock_alloc_send_pskb", WaitKind::unix_socket},
        NameCase{"sk_stream_wait_memory", WaitKind::network},
        NameCase{"cv_wait_common", WaitKind::zfs}, NameCase{"txg_wait_synced_impl", WaitKind::zfs},
        NameCase{"rpc_wait_bit_killable", WaitKind::network_disk},
        NameCase{"request_wait_answer", WaitKind::network_disk},
        NameCase{"__refrigerator", WaitKind::frozen}, NameCase{"do_freezer_trap", WaitKind::frozen},
        NameCase{"locks_lock_inode_wait", WaitKind::lock},
        NameCase{"hrtimer_nanosleep", WaitKind::asleep}));

TEST(Scene, StatesThatExplainThemselves) {
  Staged stage;
  stage.process(10, "a").stopped();
  stage.process(11, "b").traced_by(99);
  stage.process(12, "c").zombie();
  stage.process(13, "d").running();
  stage.process(14, "e").disk_sleep("io_schedule");
  stage.process(15, "f").cgroup("/box").reading(0);
  stage.both().cgroups["/box"] = {.frozen = true, .frozen_at = "/box"};
  const Staging seen(stage);
  EXPECT_EQ(seen.wait(10).kind, WaitKind::stopped);
  EXPECT_EQ(seen.wait(11).kind, WaitKind::traced);
  EXPECT_EQ(seen.wait(12).kind, WaitKind::zombie);
  EXPECT_EQ(seen.wait(13).kind, WaitKind::awake);
  EXPECT_EQ(seen.wait(14).kind, WaitKind::disk);
  EXPECT_EQ(seen.wait(15).kind, WaitKind::frozen);
}

TEST(Scene, WithoutSyscallsTheOnlyPipeIsTheOne) {
  Staged stage;
  stage.process(10, "gpg").stdout_pipe(7).writing(1);
  stage.without_syscalls();
  const Staging seen(stage);
  EXPECT_EQ(seen.wait(10).pipe, 7u);
  EXPECT_TRUE(seen.wait(10).by_table);
  EXPECT_TRUE(seen.wait(10).sure);
}

TEST(Scene, WithoutSyscallsTheFullOneOfTwoPipesIsTheOne) {
  Staged stage;
  stage.process(10, "gpg").stdout_pipe(7).stderr_pipe(8).writing(1);
  stage.pipe(8).full();
  stage.without_syscalls();
  const Staging seen(stage);
  EXPECT_EQ(seen.wait(10).pipe, 8u);
  EXPECT_FALSE(seen.wait(10).sure);
}

TEST(Scene, WithoutSyscallsAndWithRoomInBothItIsStandardOutput) {
  Staged stage;
  stage.process(10, "gpg").stdout_pipe(7).stderr_pipe(8).writing(1);
  stage.without_syscalls();
  EXPECT_EQ(Staging(stage).wait(10).pipe, 7u);
}

TEST(Scene, AZfsThatReadsWithinAnIoctlSleepsOnItsInput) {
  Staged stage;
  stage.process(10, "zfs").stdin_pipe(7).stderr_pipe(8).in(Call::ioctl, "pipe_read", {5});
  const Staging seen(stage);
  EXPECT_EQ(seen.wait(10).kind, WaitKind::pipe_read);
  EXPECT_EQ(seen.wait(10).pipe, 7u);
  EXPECT_TRUE(seen.wait(10).by_table);
}

TEST(Scene, AnOldPipeWaitGetsItsDirectionFromTheCall) {
  Staged stage;
  stage.process(10, "a").stdin_pipe(7).stdout_pipe(8).reading(0, "pipe_wait");
  stage.process(11, "b").stdin_pipe(7).stdout_pipe(8).writing(1, "pipe_wait");
  stage.process(12, "c").stdin_pipe(7).stdout_pipe(8).in(Call::splice, "pipe_wait", {0, 0, 1});
  stage.process(13, "d").stdin_pipe(7).stdout_pipe(9).in(Call::splice, "pipe_wait", {0, 0, 1});
  stage.pipe(9).full();
  const Staging seen(stage);
  EXPECT_EQ(seen.wait(10).kind, WaitKind::pipe_read);
  EXPECT_EQ(seen.wait(11).kind, WaitKind::pipe_write);
  EXPECT_EQ(seen.wait(12).kind, WaitKind::pipe_read);
  EXPECT_EQ(seen.wait(12).pipe, 7u);
  EXPECT_EQ(seen.wait(13).kind, WaitKind::untold) << "dry at one end, full at the other: either";
}

TEST(Scene, ASpliceThatWaitsForRoomNamesItsOutput) {
  Staged stage;
  stage.process(10, "a").stdin_pipe(7).stdout_pipe(8).in(Call::splice, "pipe_wait_writable",
                                                         {0, 0, 1, 0, 65536});
  EXPECT_EQ(Staging(stage).wait(10).pipe, 8u);
}

TEST(Scene, WaitWokenIsATerminalOrTheNetworkByTheDescriptor) {
  Staged stage;
  stage.process(10, "a").tty_fd(0).reading(0, "wait_woken");
  stage.process(11, "b").tcp_socket(3, {.inode = 70, .state = 1}).in(Call::send, "wait_woken", {3});
  stage.process(12, "c").tty_fd(0).without_syscall().task().wchan = "wait_woken";
  const Staging seen(stage);
  EXPECT_EQ(seen.wait(10).kind, WaitKind::terminal);
  EXPECT_FALSE(seen.wait(10).writes);
  EXPECT_EQ(seen.wait(11).kind, WaitKind::network);
  EXPECT_TRUE(seen.wait(11).writes);
  EXPECT_EQ(seen.wait(12).kind, WaitKind::terminal);
}

TEST(Scene, WithoutASleepNameTheCallAndTheDescriptorSayIt) {
  Staged stage;
  stage.process(10, "a").stdin_pipe(7).reading(0).task().wchan.reset();
  stage.process(11, "b").unix_socket(4, 70).in(Call::receive, "", {4}).task().wchan.reset();
  const Staging seen(stage);
  EXPECT_EQ(seen.wait(10).kind, WaitKind::pipe_read);
  EXPECT_EQ(seen.wait(11).kind, WaitKind::unix_socket);
}

TEST(Scene, BelievesOfAPipeOnlyWhatBothSay) {
  Staged stage;
  stage.process(10, "a").stdout_pipe(7).writing(1);
  stage.pipe(7).full().later_queued(4096);
  const Staging seen(stage);
  EXPECT_EQ(seen.scene.writable(7), std::nullopt);
  EXPECT_EQ(seen.scene.is_empty(7), false);
  EXPECT_EQ(seen.scene.has_reader(7), false);
  EXPECT_EQ(seen.scene.has_writer(7), true);
}

TEST(Scene, DescribesAFillBySlots) {
  Staged stage;
  stage.pipe(7).queued(32784).writable(false);
  stage.pipe(8).refused(33);
  stage.pipe(9).capacity(1 << 20);
  const Staging seen(stage);
  EXPECT_EQ(seen.scene.describe(7), "full (by slots), 32784 of 65536 bytes");
  EXPECT_EQ(seen.scene.describe(8), "fill unknown (owner uid 33; Permission denied)");
  EXPECT_EQ(seen.scene.describe(9), "empty, 0 of 1048576 bytes");
}

TEST(Scene, FindsAGateByItsMemfdEvenIfItsTextCannotBeRead) {
  Staged stage;
  const std::string text =
      "penstock-gate 1\npipe=9\nstate=shut\nqueue=/q\njob=7 x\nupstream=8\nstage=20 1020 gpg\n";
  stage.process(10, "penstock").holds_write(11, 9).gate(12, 9, text);
  stage.process(11, "gatekeeper").holds_write(11, 9).gate(12, 9, "");
  stage.process(12, "other").gate(12, 19, "");
  const Staging seen(stage);
  ASSERT_NE(seen.scene.gate(9), nullptr);
  EXPECT_EQ(seen.scene.gate(9)->upstream, 8u);
  EXPECT_EQ(seen.scene.gate(9)->holders.size(), 2u);
  EXPECT_EQ(seen.scene.gate(9)->stages.at(0).name, "gpg");
  EXPECT_NE(seen.scene.gate(19), nullptr);
  EXPECT_EQ(seen.scene.gate(8), nullptr);
}

TEST(Scene, RatesAreBytesPerSecond) {
  Staged stage;
  stage.process(10, "a").moves_bytes(2000, 500);
  const Staging seen(stage);
  EXPECT_DOUBLE_EQ(seen.scene.rate(10)->read, 1000);
  EXPECT_DOUBLE_EQ(seen.scene.rate(10)->written, 250);
  EXPECT_FALSE(seen.scene.rate(1));
}

TEST(Scene, AncestorsInACircleEnd) {
  Staged stage;
  stage.process(10, "a").parent(11);
  stage.process(11, "b").parent(10);
  EXPECT_FALSE(Staging(stage).scene.is_ancestor(5, 10));
  EXPECT_TRUE(Staging(stage).scene.is_ancestor(11, 10));
}

TEST(GateText, RefusesWhatIsNotOne) {
  EXPECT_FALSE(parse_gate_text(""));
  EXPECT_FALSE(parse_gate_text("penstock-gate 2\npipe=4\n"));
  EXPECT_FALSE(parse_gate_text("penstock-gate 1\nqueue=x\n"));
  EXPECT_FALSE(parse_gate_text("penstock-gate 1\npipe=x\n"));
  EXPECT_FALSE(parse_gate_text("penstock-gate 1\npipe=4\nstage=9 gpg\n"));
  EXPECT_TRUE(parse_gate_text("penstock-gate 1\npipe=4\nlater=9\n"));
}

TEST(Step, NamesGoBothWays) {
  for (const char* name : {"H0", "H1", "H2", "H3", "H4", "H5"}) {
    EXPECT_EQ(name_of(*step_named(name)), name);
  }
  EXPECT_FALSE(step_named("H6"));
}

}  // namespace
}  // namespace penstock::doctor
