#include <gtest/gtest.h>

#include "doctor/kernel_version.h"
#include "doctor/pipe_bug.h"
#include "doctor/testing/diagnosed.h"

namespace penstock::doctor {
namespace {

using testing::Call;
using testing::diagnosed;
using testing::finding;
using testing::Staged;
using testing::stuck;

// gpg | zstdcat | zfs receive, as the kernel's bug leaves it.
struct LostWakeup : ::testing::Test {
  LostWakeup() {
    stage.process(4700, "bash").group(4700).session(4700).waiting_for_child();
    stage.process(4709, "gpg").parent(4700).group(4709).session(4700).stdout_pipe(81230).writing(1);
    stage.process(4710, "zstdcat").parent(4700).group(4709).session(4700).stdin_pipe(81230);
    stage.process(4710).stdout_pipe(81234).on_futex().thread(4714).writing(1);
    stage.process(4711, "zfs").parent(4700).group(4709).session(4700).stdin_pipe(81234);
    stage.process(4711).in(Call::ioctl, "pipe_read", {4});
    stage.pipe(81230).full();
    stage.pipe(81234).capacity(1 << 20).empty();
    stage.machine().kernel = "6.1.52";
  }
  Staged stage;
};

TEST_F(LostWakeup, NamesTheSleepingWriterAndNobodyElse) {
  EXPECT_EQ(stuck(stage), "R01 zstdcat 4710 [4709 4711 4700]");
  const Diagnosis diagnosis = diagnosed(stage);
  const Finding& found = *finding(diagnosis, "R01");
  EXPECT_EQ(found.certainty, Certainty::certain);
  EXPECT_EQ(found.pipe, 81234u);
  EXPECT_NE(found.sentence.find("thread 4714"), std::string::npos);
  EXPECT_NE(found.sentence.find("CVE-2023-52672"), std::string::npos);
  EXPECT_NE(found.sentence.find("Never stop or trace zfs 4711"), std::string::npos);
  ASSERT_EQ(found.remedies.size(), 3u);
  EXPECT_EQ(found.remedies[0].step, Step::nudge);
  EXPECT_TRUE(found.remedies[0].safe);
  EXPECT_EQ(found.remedies[0].command, "penstock doctor 4710 --heal");
  EXPECT_EQ(found.remedies[1].step, Step::stop_cont);
  EXPECT_EQ(found.remedies[2].step, Step::end_all);
}

TEST_F(LostWakeup, IsCertainWithoutSyscallsToo) {
  stage.without_syscalls();
  stage.process(4710).stderr_pipe(81240);
  EXPECT_EQ(stuck(stage), "R01 zstdcat 4710 [4709 4711 4700]");
}

TEST_F(LostWakeup, IsNotSaidWhereAnotherFullPipeMayBeTheOne) {
  stage.without_syscalls();
  stage.process(4710).stderr_pipe(81240);
  stage.process(4800, "logger").session(4800).stdin_pipe(81240).running();
  stage.pipe(81240).full();
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(LostWakeup, IsNotSaidOfAWriterThatWasWoken) {
  stage.process(4710).thread(4714).switches();
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(LostWakeup, IsNotSaidOfAFullPipe) {
  stage.pipe(81234).full();
  stage.process(4711).running();
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(LostWakeup, IsNotSaidWhenThePipeHadRoomOnlyOnce) {
  stage.pipe(81234).later_queued(1 << 20, false);
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(LostWakeup, IsNotSaidWhileTheReaderHangsInTheMiddleOfItsRead) {
  stage.process(4711).disk_sleep("folio_wait_bit_common");
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(LostWakeup, IsNotSaidWhileAnotherWriterOfThePipeWorks) {
  stage.process(4712, "tee").parent(4700).stdout_pipe(81234).running();
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(LostWakeup, IsLikelyWhereThePipeMayNotBeAskedAndBothSleepOnIt) {
  stage.pipe(81234).refused(33);
  EXPECT_EQ(stuck(stage), "R01 zstdcat 4710 [4709 4711 4700]");
  EXPECT_EQ(finding(diagnosed(stage), "R01")->certainty, Certainty::likely);
  stage.process(4711).running();
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(LostWakeup, OfAZfsThatWritesIsNeverHealedByAStop) {
  stage.process(4710).get().stat.comm = "zfs";
  stage.process(4710).arguments({"zfs", "send", "x@y"});
  const Diagnosis diagnosis = diagnosed(stage);
  for (const Remedy& remedy : finding(diagnosis, "R01")->remedies) {
    EXPECT_NE(remedy.step, Step::stop_cont);
  }
}

TEST_F(LostWakeup, CitesTheBugOnlyForKernelsThatHaveIt) {
  stage.machine().kernel = "6.18.0";
  EXPECT_EQ(finding(diagnosed(stage), "R01")->sentence.find("CVE"), std::string::npos);
}

TEST(ReaderNotWoken, IsCertainWhenNoWriterIsLeft) {
  Staged stage;
  stage.process(10, "cat").stdin_pipe(7).reading(0);
  EXPECT_EQ(stuck(stage), "R02 cat 10 []");
}

TEST(ReaderNotWoken, IsNotSaidOfAnyKernelWithDataAndAWriter) {
  Staged stage;
  stage.process(10, "cat").stdin_pipe(7).in(Call::splice, "pipe_wait", {0, 0, 1, 0, 65536});
  stage.process(11, "btrfs").stdout_pipe(7).sleeping();
  stage.pipe(7).queued(4096);
  EXPECT_EQ(stuck(stage), "");
  stage.machine().kernel = "5.7.9";
  EXPECT_EQ(stuck(stage), "R02 cat 10 []");
}

TEST(ReaderNotWoken, IsNotSaidOfAReaderThatMoves) {
  Staged stage;
  stage.process(10, "cat").stdin_pipe(7).reading(0).switches();
  EXPECT_EQ(stuck(stage), "");
}

struct Undrained : ::testing::Test {
  Undrained() {
    stage.process(10, "cat").stdout_pipe(7).writing(1);
    stage.process(11, "relay").stdin_pipe(7).epoll(5, {{.fd = 0, .events = 0x80000001}});
    stage.process(11).in(Call::epoll, "do_epoll_wait", {5, 0x7f00, 64, ~uint64_t{0}});
    stage.pipe(7).full();
  }
  Staged stage;
};

TEST_F(Undrained, NamesTheReader) {
  EXPECT_EQ(stuck(stage), "R03 relay 11 [10]");
}

TEST_F(Undrained, IsNotSaidOfLevelTriggering) {
  stage.process(11).epoll(5, {{.fd = 0, .events = 1}});
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(Undrained, IsNotSaidWhereItsOwnOutputIsFull) {
  stage.process(11).stdout_pipe(8);
  stage.process(12, "slow").stdin_pipe(8).running();
  stage.pipe(8).full();
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(Undrained, IsNotSaidWhereAConnectionMayBeFull) {
  stage.process(11).tcp_socket(6, {.inode = 70, .state = 1});
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(Undrained, IsNotSaidOfAWaitWithALimit) {
  stage.process(11).in(Call::epoll, "do_epoll_wait", {5, 0x7f00, 64, 30000});
  EXPECT_EQ(stuck(stage), "");
}

struct OneSlot : ::testing::Test {
  OneSlot() {
    for (const pid_t pid : {20, 21}) {
      stage.process(pid, "rustc").holds_read(3, 7).holds_write(4, 7).writing(4);
    }
    stage.pipe(7).capacity(4096).queued(2).writable(false);
  }
  Staged stage;
};

TEST_F(OneSlot, NamesAWriter) {
  EXPECT_EQ(stuck(stage), "R04 rustc 20 [21]");
}

TEST_F(OneSlot, IsNotSaidWhileAReaderIsElsewhere) {
  stage.process(22, "cargo").holds_read(3, 7).sleeping();
  EXPECT_EQ(stuck(stage), "");
}

TEST_F(OneSlot, IsNotSaidOfAPipeOfOrdinarySize) {
  stage.pipe(7).capacity(65536);
  EXPECT_EQ(stuck(stage).find("R04"), std::string::npos);
}

TEST(KernelBug, GoesByTheNumber) {
  for (const char* release : {"5.8", "5.8.0", "5.10.209", "5.11.0-rc1", "5.15.148-generic",
                              "5.16.1", "6.1.52", "6.1.75-1-amd64", "6.2.0", "6.6.14", "6.7.2"}) {
    EXPECT_TRUE(kernel_has_lost_wakeup(release)) << release;
  }
  for (const char* release : {"", "x", "5", "4.19.300", "5.7.19", "5.10.210", "5.10.999",
                              "5.15.149", "6.1.76", "6.6.15", "6.7.3", "6.8.0", "6.18.44-fc"}) {
    EXPECT_FALSE(kernel_has_lost_wakeup(release)) << release;
  }
  EXPECT_TRUE(has_splice_race("5.5.0"));
  EXPECT_TRUE(has_splice_race("5.9.16"));
  EXPECT_FALSE(has_splice_race("5.4.200"));
  EXPECT_FALSE(has_splice_race("5.10.0"));
  EXPECT_EQ(parse_kernel_version("6.1.0-18-amd64"), (KernelVersion{6, 1, 0}));
  EXPECT_EQ(parse_kernel_version("6.18"), (KernelVersion{6, 18, 0}));
}

}  // namespace
}  // namespace penstock::doctor
