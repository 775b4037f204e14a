#include <gtest/gtest.h>

#include "doctor/testing/examined.h"

namespace penstock::doctor {
namespace {

using testing::Call;
using testing::Examined;
using testing::FileKind;
using testing::Staged;
using Pids = std::vector<pid_t>;

Examined examine(const Staged& stage) {
  return {stage, outside_rules()};
}

void rests_for(Staged& stage, pid_t pid, double seconds) {
  for (procfs::Task& task : stage.process(pid).get().tasks) task.idle_s = seconds;
}

// zstdcat 20 feeds zfs receive 21, which sits in a transaction group.
void stage_receive(Staged& stage) {
  stage.process(20, "zstdcat").stdout_pipe(7).writing(1);
  stage.process(21, "zfs")
      .arguments({"zfs", "receive", "-u", "tank/x"})
      .stdin_pipe(7)
      .in(Call::ioctl, "txg_wait_synced");
  stage.pipe(7).full();
}

TEST(R35, AReceiveThatRestsInATransactionGroup) {
  Staged stage;
  stage_receive(stage);
  rests_for(stage, 21, 60);
  const Examined seen = examine(stage);
  EXPECT_EQ(seen.culprit("R35"), 21);
  EXPECT_TRUE(seen.is_stuck("R35"));
  EXPECT_EQ(seen.at("R35").certainty, Certainty::likely);
}

TEST(R35, AFewSecondsOfItAreNoMoreThanAWarning) {
  Staged stage;
  stage_receive(stage);
  rests_for(stage, 21, 4);
  EXPECT_EQ(examine(stage).culprit("R35"), 21);
  EXPECT_FALSE(examine(stage).is_stuck("R35"));
}

TEST(R35, APoolThatWritesIsNotSuspended) {
  Staged stage;
  stage_receive(stage);
  rests_for(stage, 21, 60);
  stage.process(300, "txg_sync").not_looked_at().uses_cpu(3);
  EXPECT_FALSE(examine(stage).has("R35"));
}

TEST(R35, TheEndOfAReceiveTakesItsTime) {
  Staged stage;
  stage.process(21, "zfs")
      .arguments({"zfs", "receive", "x"})
      .stdin_pipe(7)
      .disk_sleep("txg_wait_synced");
  rests_for(stage, 21, 60);
  EXPECT_FALSE(examine(stage).has("R35"));
}

void stage_send(Staged& stage) {
  stage.process(20, "zfs")
      .arguments({"zfs", "send", "x@1"})
      .stdout_pipe(7)
      .disk_sleep("taskq_wait");
  stage.process(21, "sleep").stdin_pipe(7).sleeping();
  stage.pipe(7).full();
}

TEST(R36, ASendThatNobodyReadsIsAVictim) {
  Staged stage;
  stage_send(stage);
  const Examined seen = examine(stage);
  EXPECT_EQ(seen.culprit("R36"), 21);
  EXPECT_TRUE(seen.is_stuck("R36"));
  EXPECT_EQ(seen.victims("R36"), Pids{20});
  EXPECT_FALSE(seen.has("R35"));
}

TEST(R36, TheReaderMayWaitForAnother) {
  Staged stage;
  stage_send(stage);
  stage.process(21, "zstd").stdout_pipe(8).writing(1);
  stage.process(22, "sleep").stdin_pipe(8).sleeping();
  stage.pipe(8).full();
  EXPECT_EQ(examine(stage).culprit("R36"), 22);
}

TEST(R36, ASlowReaderIsNoTrouble) {
  Staged stage;
  stage_send(stage);
  stage.process(21, "sleep").running().uses_cpu(100);
  EXPECT_FALSE(examine(stage).has("R36"));
}

TEST(R36, APipeWithRoomIsNotWhatItWaitsFor) {
  Staged stage;
  stage_send(stage);
  stage.pipe(7).empty();
  EXPECT_FALSE(examine(stage).has("R36"));
}

procfs::TcpSocket connection() {
  return {.inode = 500, .local = "10.0.0.1:40000", .remote = "10.0.0.7:22", .state = 1};
}

// tar 20 | ssh 21, which polls.
void stage_ssh(Staged& stage, const procfs::TcpSocket& socket) {
  stage.process(20, "tar").stdout_pipe(7).writing(1);
  stage.process(21, "ssh").stdin_pipe(7).tcp_socket(3, socket).polling();
  stage.pipe(7).full();
}

TEST(R37, BytesThatNobodyAcknowledges) {
  Staged stage;
  procfs::TcpSocket socket = connection();
  socket.send_queue = 36000;
  socket.timer = 1;
  socket.retransmits = 7;
  stage_ssh(stage, socket);
  const Examined seen = examine(stage);
  EXPECT_EQ(seen.culprit("R37"), 21);
  EXPECT_TRUE(seen.is_stuck("R37"));
  EXPECT_EQ(seen.at("R37").certainty, Certainty::likely);
  EXPECT_NE(seen.sentence("R37").find("10.0.0.7:22"), std::string::npos);
}

TEST(R37, APeerThatTakesNothing) {
  Staged stage;
  procfs::TcpSocket socket = connection();
  socket.send_queue = 36000;
  socket.timer = 4;
  socket.probes = 3;
  stage_ssh(stage, socket);
  EXPECT_EQ(examine(stage).culprit("R37"), 21);
  EXPECT_EQ(examine(stage).at("R37").certainty, Certainty::possible);
}

TEST(R37, AQueueThatShrinksIsATransfer) {
  Staged stage;
  procfs::TcpSocket socket = connection();
  socket.send_queue = 36000;
  socket.timer = 1;
  socket.retransmits = 7;
  stage_ssh(stage, socket);
  stage.later([](procfs::Snapshot& now) { now.tcp.at(500).send_queue = 20000; });
  EXPECT_FALSE(examine(stage).has("R37"));
}

TEST(R37, AQuietConnectionIsUsual) {
  Staged stage;
  stage_ssh(stage, connection());
  rests_for(stage, 21, 20);
  EXPECT_FALSE(examine(stage).has("R37"));
}

TEST(R37, AServiceWithoutPipesIsNotAsked) {
  Staged stage;
  stage.process(21, "server").tcp_socket(3, connection()).polling();
  rests_for(stage, 21, 100000);
  EXPECT_FALSE(examine(stage).has("R37"));
}

TEST(R38, AFuseThatDoesNotAnswer) {
  Staged stage;
  stage.process(20, "cat").stdout_pipe(7).disk_sleep("request_wait_answer");
  stage.process(21, "wc").stdin_pipe(7).reading(0);
  const Examined seen = examine(stage);
  EXPECT_EQ(seen.culprit("R38"), 20);
  EXPECT_TRUE(seen.is_stuck("R38"));
  EXPECT_EQ(seen.victims("R38"), Pids{21});
  EXPECT_NE(seen.sentence("R38").find("FUSE"), std::string::npos);
}

TEST(R38, AServerThatIsAskedAgainAndAgainAnswers) {
  Staged stage;
  stage.process(20, "cat").stdout_pipe(7).disk_sleep("rpc_wait_bit_killable").switches();
  EXPECT_FALSE(examine(stage).has("R38"));
}

TEST(R38, AMomentIsNotYetStuck) {
  Staged stage;
  stage.process(20, "cat").stdout_pipe(7).disk_sleep("rpc_wait_bit_killable");
  stage.interval(0.2);
  EXPECT_FALSE(examine(stage).has("R38"));
}

TEST(R39, ALogDriverThatDoesNotRead) {
  Staged stage;
  stage.process(20, "zstd").stderr_pipe(7).writing(2);
  stage.process(30, "dockerd").holds_read(12, 7).on_futex();
  stage.pipe(7).full();
  const Examined seen = examine(stage);
  EXPECT_EQ(seen.culprit("R39"), 30);
  EXPECT_TRUE(seen.is_stuck("R39"));
  EXPECT_EQ(seen.victims("R39").at(0), 20);
}

TEST(R39, AJournalThatIsBehind) {
  Staged stage;
  stage.process(300, "systemd-journald").not_looked_at();
  stage.process(20, "zstd").unix_socket(2, 900).in(Call::write, "sock_alloc_send_pskb", {2});
  EXPECT_EQ(examine(stage).culprit("R39"), 300);
}

TEST(R39, ATerminalThatWasStopped) {
  Staged stage;
  stage.process(20, "zstd").tty_fd(2).in(Call::write, "wait_woken", {2});
  EXPECT_EQ(examine(stage).culprit("R39"), 20);
}

TEST(R39, AnOrdinaryReaderIsNoLog) {
  Staged stage;
  stage.process(20, "zstd").stdout_pipe(7).writing(1);
  stage.process(21, "cat").stdin_pipe(7).sleeping();
  stage.process(22, "gpg").unix_socket(5, 900).in(Call::write, "sock_alloc_send_pskb", {5});
  stage.pipe(7).full();
  EXPECT_FALSE(examine(stage).has("R39"));
}

void stage_lock(Staged& stage) {
  stage.process(20, "penstock").file(3, "/q/nextseq.lock").sleeping();
  stage.process(21, "penstock")
      .file(3, "/q/nextseq.lock")
      .in(Call::lock, "flock_lock_inode_wait", {3});
  stage.both().locks = {
      {.number = 4, .kind = "FLOCK", .exclusive = true, .pid = 20, .inode = 77},
      {.number = 4, .waits = true, .kind = "FLOCK", .exclusive = true, .pid = 21, .inode = 77}};
}

TEST(R40, TheOwnerOfALockIsNamed) {
  Staged stage;
  stage_lock(stage);
  const Examined seen = examine(stage);
  EXPECT_EQ(seen.culprit("R40"), 20);
  EXPECT_TRUE(seen.is_stuck("R40"));
  EXPECT_EQ(seen.victims("R40"), Pids{21});
  EXPECT_NE(seen.sentence("R40").find("/q/nextseq.lock"), std::string::npos);
}

TEST(R40, TheTakerIsGoneAndHisChildHasIt) {
  Staged stage;
  stage_lock(stage);
  stage.both().locks[0].pid = 19;
  EXPECT_EQ(examine(stage).culprit("R40"), 20);
}

TEST(R40, OfSeveralWhoHaveItOpenTheEldestThatHoldsALockHasIt) {
  Staged stage;
  stage_lock(stage);
  stage.both().locks[0].pid = 19;
  stage.process(18, "tail").file(3, "/q/nextseq.lock").sleeping();
  stage.process(22, "sleep").parent(20).file(3, "/q/nextseq.lock").sleeping();
  EXPECT_EQ(examine(stage).culprit("R40"), 21) << "nobody is told to hold it";
  for (const pid_t pid : {20, 22}) {
    stage.both().processes.at(pid).descriptors->front().locked = true;
  }
  EXPECT_EQ(examine(stage).culprit("R40"), 20);
}

// `flock FILE COMMAND`: the one that took it waits for its child, which inherited it.
TEST(R40, TheChildThatInheritedALockIsTheOneToEnd) {
  Staged stage;
  stage_lock(stage);
  stage.process(20, "flock").waiting_for_child();
  stage.process(22, "bash").parent(20).file(3, "/q/nextseq.lock").waiting_for_child();
  stage.process(23, "sleep").parent(22).file(3, "/q/nextseq.lock").sleeping();
  stage.process(24, "tail").parent(22).file(3, "/q/nextseq.lock").sleeping();
  for (const pid_t pid : {20, 22, 23}) {
    stage.both().processes.at(pid).descriptors->front().locked = true;
  }
  const Examined seen = examine(stage);
  EXPECT_EQ(seen.culprit("R40"), 20);
  const Remedy& remedy = seen.at("R40").remedies.at(1);
  EXPECT_EQ(remedy.command, "kill 23");
  EXPECT_EQ(remedy.target.pid, 23);
  EXPECT_EQ(remedy.step, Step::end_holder);
  EXPECT_NE(remedy.risk.find("ending flock 20 alone"), std::string::npos) << remedy.risk;
}

TEST(R40, ATakerThatHasClosedItHasLeftItToItsChild) {
  Staged stage;
  stage_lock(stage);
  stage.process(19, "perl").sleeping();
  stage.process(20).parent(19);
  stage.both().locks[0].pid = 19;
  stage.both().processes.at(20).descriptors->front().locked = true;
  EXPECT_EQ(examine(stage).culprit("R40"), 20);
  EXPECT_EQ(examine(stage).at("R40").remedies.at(1).command, "kill 20");
}

TEST(R40, AnOwnerWithoutAHeirIsEndedItself) {
  Staged stage;
  stage_lock(stage);
  stage.process(22, "sleep").parent(20).sleeping();
  stage.both().processes.at(20).descriptors->front().locked = true;
  EXPECT_EQ(examine(stage).at("R40").remedies.at(1).command, "kill 20");
}

TEST(R40, AnOwnerAtWorkMakesAQueue) {
  Staged stage;
  stage_lock(stage);
  stage.process(20).uses_cpu(20);
  EXPECT_EQ(examine(stage).culprit("R40"), 20);
  EXPECT_FALSE(examine(stage).is_stuck("R40"));
}

TEST(R40, AnOwnerWhoseChildWorksMakesAQueue) {
  Staged stage;
  stage_lock(stage);
  stage.process(20).sleeping();
  stage.process(22, "pv").parent(20).uses_cpu(20);
  EXPECT_EQ(examine(stage).culprit("R40"), 20);
  EXPECT_FALSE(examine(stage).is_stuck("R40"));
}

TEST(R40, WhatTheOwnerDoesIsASentence) {
  Staged stage;
  stage_lock(stage);
  stage.process(20).in(Call::poll, "do_sys_poll");
  const std::string sentence = examine(stage).sentence("R40");
  EXPECT_NE(sentence.find("holds; it is asleep in poll (do_sys_poll)."), std::string::npos)
      << sentence;
}

TEST(R40, AWaitThatBeganJustNow) {
  Staged stage;
  stage_lock(stage);
  stage.earlier([](procfs::Snapshot& before) { before.locks.pop_back(); });
  EXPECT_FALSE(examine(stage).has("R40"));
}

}  // namespace
}  // namespace penstock::doctor
