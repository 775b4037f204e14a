// Snapshots of recorded trees: what is read from where, and that nothing is missed by anybody when
// any file of the tree goes away at any time.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "procfs/testing.h"

namespace penstock::procfs {
namespace {

using testing::choose_all;
using testing::RecordedTree;

// A writer asleep in a full pipe, a reader in an epoll, a gate, a frozen cgroup.
void fill(RecordedTree& tree) {
  tree.file("proc/uptime", "1000.50 2000.00\n");
  tree.file("proc/sys/kernel/osrelease", "6.1.52\n");
  tree.file("proc/sys/fs/pipe-max-size", "1048576\n");
  tree.file("proc/locks", "1: FLOCK  ADVISORY  WRITE 20 fe:00:5 0 EOF\n");
  tree.file("proc/net/unix", "Num\n0: 2 0 0 1 03 900 /run/x\n");
  tree.file("proc/net/tcp", "sl\n");
  tree.file("proc/self/sched", "se.exec_start : 90000.0\n");
  tree.file("proc/penstock-probes",
            "machine taken=123.5 looker=1000 page_size=65536 ticks=250 architecture=aarch64\n"
            "pipe 81 capacity=65536 queued=65536 writable=0 has_writer=1 has_reader=1 owner=7\n"
            "pipe 82 refused=owner uid 33\n"
            "fifo 99 /tmp/my fifo\n");
  tree.file("cgroup/cgroup.controllers", "cpu\n");
  tree.file("cgroup/job/cgroup.events", "populated 1\nfrozen 1\n");
  tree.file("cgroup/job/cgroup.freeze", "1\n");
  tree.process(20, "wri) ter", 'S', "anon_pipe_write",
               "64 0x1 0x7f0000 0x10000 0x0 0x0 0x0 0x7ffe39a0f288 0x7fa6d77df2ad\n");
  tree.file("proc/20/sched", "se.exec_start : 80000.0\n");
  tree.descriptor(20, 1, "pipe:[81]", "pos:\t0\nflags:\t01\n");
  tree.descriptor(20, 5, "/tmp/my fifo", "pos:\t0\nflags:\t02\n");
  tree.descriptor(20, 6, "/tmp/log", "pos:\t77\nflags:\t0100001\n");
  tree.process(21, "reader", 'S', "0",
               "22 0x4 0x0 0x0 0x0 0x0 0x0 0x7ffe39a0f288 0x7fa6d77df2ad\n");
  tree.descriptor(21, 0, "pipe:[81]", "pos:\t0\nflags:\t04000\n");
  tree.descriptor(21, 3, "/memfd:penstock-gate:82 (deleted)", "pos:\t0\nflags:\t02\n");
  tree.file("proc/21/memfd/3", "penstock-gate 1\npipe=82\n");
  tree.descriptor(21, 4, "anon_inode:[eventpoll]", "pos:\t0\nflags:\t02\ntfd: 0 events: 19\n");
  tree.descriptor(21, 7, "pipe:[82]", "pos:\t0\nflags:\t01\n");
  tree.descriptor(21, 8, "socket:[900]", "pos:\t0\nflags:\t02\n");
}

const Descriptor* descriptor(const Snapshot& snapshot, pid_t pid, int fd) {
  const Process* process = snapshot.find(pid);
  if (process == nullptr || !process->descriptors) return nullptr;
  const auto found = std::ranges::find(*process->descriptors, fd, &Descriptor::fd);
  return found == process->descriptors->end() ? nullptr : &*found;
}

TEST(RecordedTree, IsReadAsALiveOne) {
  RecordedTree tree;
  fill(tree);
  const Snapshot snapshot = take_snapshot(tree.source(), choose_all);

  EXPECT_EQ(snapshot.taken_s, 123.5);
  EXPECT_EQ(snapshot.machine.kernel, "6.1.52");
  EXPECT_EQ(snapshot.machine.looker, 1000U);
  EXPECT_TRUE(snapshot.machine.has_syscall_file);
  ASSERT_EQ(snapshot.processes.size(), 2U);

  const Process* writer = snapshot.find(20);
  ASSERT_NE(writer, nullptr);
  EXPECT_EQ(writer->stat.comm, "wri) ter");
  EXPECT_EQ(writer->cpu_ticks, 7U);
  EXPECT_EQ(writer->arguments, (std::vector<std::string>{"cmd", "-x"}));
  EXPECT_EQ(writer->cgroup, "/job");
  ASSERT_EQ(writer->tasks.size(), 1U);
  EXPECT_EQ(writer->tasks[0].wchan, "anon_pipe_write");
  ASSERT_TRUE(writer->tasks[0].syscall);
  EXPECT_EQ(writer->tasks[0].syscall->call, Call::write);
  EXPECT_EQ(writer->tasks[0].voluntary_switches, 5U);
  EXPECT_EQ(writer->tasks[0].idle_s, 10.0);
  EXPECT_FALSE(snapshot.find(21)->tasks[0].wchan);
  EXPECT_EQ(snapshot.find(21)->tasks[0].syscall->call, Call::epoll);
}

TEST(RecordedTree, TellsDescriptorsByLinkAndInfo) {
  RecordedTree tree;
  fill(tree);
  const Snapshot snapshot = take_snapshot(tree.source(), choose_all);

  const Descriptor* out = descriptor(snapshot, 20, 1);
  ASSERT_NE(out, nullptr);
  EXPECT_TRUE(out->writes && !out->reads && out->inode == 81);
  const Descriptor* fifo = descriptor(snapshot, 20, 5);
  ASSERT_NE(fifo, nullptr);
  EXPECT_EQ(fifo->kind, FileKind::fifo);
  EXPECT_TRUE(fifo->writes && fifo->reads && fifo->inode == 99);
  EXPECT_EQ(descriptor(snapshot, 20, 6)->position, 77U);
  EXPECT_TRUE(descriptor(snapshot, 21, 0)->nonblocking());
  EXPECT_EQ(descriptor(snapshot, 21, 3)->content, "penstock-gate 1\npipe=82\n");
  EXPECT_EQ(descriptor(snapshot, 21, 4)->watched, (std::vector<EpollEntry>{{0, 0x19}}));
}

TEST(RecordedTree, BringsWhatTheProbesSaid) {
  RecordedTree tree;
  fill(tree);
  const Snapshot snapshot = take_snapshot(tree.source(), choose_all);
  EXPECT_EQ(snapshot.pipes.at(81), (PipeFacts{.inode = 81,
                                              .capacity = 65536,
                                              .queued = 65536,
                                              .writable = false,
                                              .has_writer = true,
                                              .has_reader = true,
                                              .owner = 7}));
  EXPECT_EQ(snapshot.pipes.at(82).refused, "owner uid 33");
  EXPECT_EQ(probe_pipe(tree.source(), snapshot, 81), snapshot.pipes.at(81));
  EXPECT_EQ(snapshot.cgroups.at("/job"), (CgroupFacts{.frozen = true, .frozen_at = "/job"}));
  EXPECT_EQ(snapshot.locks.size(), 1U);
  EXPECT_EQ(snapshot.unix_sockets.at(900).path, "/run/x");
}

// As /sys/fs/cgroup is before version 2 took over: a hierarchy for each controller.
TEST(RecordedTree, FindsAFreezerOfVersionOne) {
  RecordedTree tree;
  fill(tree);
  std::filesystem::remove_all(tree.root() / "cgroup");
  const std::string paths = "7:freezer:/box/job\n2:cpu,cpuacct:/other\n1:name=systemd:/s\n";
  tree.file("proc/20/cgroup", paths);
  tree.file("cgroup/freezer/freezer.state", "");
  tree.file("cgroup/freezer/box/freezer.state", "FROZEN\n");
  tree.file("cgroup/freezer/box/freezer.self_freezing", "1\n");
  tree.file("cgroup/freezer/box/job/freezer.state", "FROZEN\n");
  tree.file("cgroup/freezer/box/job/freezer.self_freezing", "0\n");
  const CgroupFacts frozen = {.frozen = true, .frozen_at = "/box", .by_freezer = true};
  EXPECT_EQ(take_snapshot(tree.source(), choose_all).cgroups.at("/box/job"), frozen);
  // With version 2 beside it, for systemd only.
  tree.file("proc/20/cgroup", paths + "0::/s\n");
  tree.file("cgroup/unified/s/cgroup.events", "populated 1\nfrozen 0\n");
  EXPECT_EQ(take_snapshot(tree.source(), choose_all).cgroups.at("/box/job"), frozen);
  tree.file("cgroup/freezer/box/job/freezer.state", "THAWED\n");
  EXPECT_FALSE(take_snapshot(tree.source(), choose_all).cgroups.at("/box/job").frozen);
}

TEST(RecordedTree, ShowsOnlyPipesAndTheLikeOfWhoIsNotLookedAt) {
  RecordedTree tree;
  fill(tree);
  const Snapshot snapshot = take_snapshot(tree.source(), [](const Snapshot& table) {
    EXPECT_EQ(table.processes.size(), 2U);
    return std::set<pid_t>{21};
  });
  const Process* writer = snapshot.find(20);
  EXPECT_FALSE(writer->looked_at);
  EXPECT_TRUE(writer->tasks.empty());
  EXPECT_NE(descriptor(snapshot, 20, 1), nullptr);
  EXPECT_NE(descriptor(snapshot, 20, 5), nullptr);
  EXPECT_EQ(descriptor(snapshot, 20, 6), nullptr);
  EXPECT_EQ(descriptor(snapshot, 21, 3)->content, "penstock-gate 1\npipe=82\n");
}

TEST(RecordedTree, AKernelWithoutTheSyscallFileIsToldAsSuch) {
  RecordedTree tree;
  fill(tree);
  std::filesystem::remove(tree.root() / "proc/20/syscall");
  std::filesystem::remove(tree.root() / "proc/21/syscall");
  const Snapshot snapshot = take_snapshot(tree.source(), choose_all);
  EXPECT_FALSE(snapshot.machine.has_syscall_file);
  EXPECT_FALSE(snapshot.find(20)->tasks[0].syscall);
}

TEST(RecordedTree, ANumberGivenOutAnewIsNobodyWeKnow) {
  RecordedTree tree;
  fill(tree);
  const Snapshot snapshot = take_snapshot(tree.source(), [&](const Snapshot&) {
    tree.file("proc/20/stat", "20 (other) S 1 1 1 0 -1 0 0 0 0 0 3 4 0 0 20 0 1 0 9999 0\n");
    return std::set<pid_t>{20, 21};
  });
  EXPECT_EQ(snapshot.find(20), nullptr);
  EXPECT_NE(snapshot.find(21), nullptr);
}

TEST(RecordedTree, AProcessWhoseFirstThreadHasEndedIsNoZombie) {
  RecordedTree tree;
  fill(tree);
  tree.file("proc/20/stat", "20 (x) Z 1 1 1 0 -1 0 0 0 0 0 3 4 0 0 20 0 2 0 5020 0\n");
  tree.file("proc/20/status", "Name:\tx\nState:\tZ (zombie)\nThreads:\t2\n");
  tree.file("proc/20/task/20/stat", "20 (x) Z 1 1 1 0 -1 0 0 0 0 0 3 4 0 0 20 0 2 0 5020 0\n");
  tree.file("proc/20/task/25/stat", "25 (y) S 1 1 1 0 -1 0 0 0 0 0 3 4 0 0 20 0 2 0 5021 0\n");
  tree.file("proc/20/task/25/status", "Name:\ty\nState:\tS (sleeping)\nThreads:\t2\n");
  tree.link("proc/20/task/25/fd/1", "pipe:[81]");
  tree.file("proc/20/task/25/fdinfo/1", "flags:\t01\n");
  std::filesystem::remove_all(tree.root() / "proc/20/fd");
  std::filesystem::create_directories(tree.root() / "proc/20/fd");
  const Snapshot snapshot = take_snapshot(tree.source(), choose_all);
  ASSERT_NE(snapshot.find(20), nullptr);
  EXPECT_FALSE(snapshot.find(20)->is_zombie());
  ASSERT_NE(descriptor(snapshot, 20, 1), nullptr);
  EXPECT_TRUE(descriptor(snapshot, 20, 1)->writes);
  EXPECT_EQ(snapshot.find(20)->tasks.size(), 2U);
}

std::vector<std::filesystem::path> files_of(const RecordedTree& tree) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(tree.root())) {
    if (!entry.is_directory() || entry.is_symlink()) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

enum class When { before, between };

// File by file, and each file both before a snapshot and between its two phases.
void disappear(When when, bool from_the_end) {
  RecordedTree tree;
  fill(tree);
  auto files = files_of(tree);
  if (from_the_end) std::ranges::reverse(files);
  ASSERT_GT(files.size(), 40U);
  for (const auto& file : files) {
    if (when == When::before) std::filesystem::remove(file);
    Snapshot snapshot;
    ASSERT_NO_THROW(snapshot = take_snapshot(tree.source(),
                                             [&](const Snapshot& table) {
                                               std::filesystem::remove(file);
                                               return choose_all(table);
                                             }))
        << file;
    for (const auto& [pid, process] : snapshot.processes) {
      EXPECT_TRUE(process.looked_at) << file;
      EXPECT_EQ(process.stat.start_time, 5000U + static_cast<unsigned>(pid)) << file;
    }
  }
  const Snapshot nothing = take_snapshot(tree.source(), choose_all);
  EXPECT_TRUE(nothing.processes.empty());
}

TEST(RecordedTree, MayDisappearFileByFile) {
  disappear(When::before, false);
  disappear(When::before, true);
}

TEST(RecordedTree, MayDisappearUnderOurHands) {
  disappear(When::between, false);
  disappear(When::between, true);
}

// A second look at a process whose threads have not run.
class RestingProcess : public ::testing::Test {
 protected:
  RestingProcess() {
    fill(tree_);
    before_ = take_snapshot(tree_.source(), choose_all);
    tree_.file("proc/20/cmdline", std::string_view("another\0", 8));
  }
  void status(std::string_view state, int switches) {
    tree_.file("proc/20/status", cat("Name:\tx\nState:\t", state,
                                     " (x)\nUid:\t0\t0\t0\t0\nThreads:\t1\nSigQ:\t0/1\n"
                                     "SigPnd:\t0000000000000001\nvoluntary_ctxt_switches:\t",
                                     switches, "\nnonvoluntary_ctxt_switches:\t6\n"));
  }
  Snapshot look(const Chooser& choose = choose_all) {
    return take_snapshot(tree_.source(), choose, &before_);
  }
  // By what nobody but a sleeper's own thread could have changed.
  static bool was_read_again(const Snapshot& snapshot) {
    return snapshot.find(20)->arguments->front() == "another";
  }

  RecordedTree tree_;
  Snapshot before_;
};

TEST_F(RestingProcess, IsNotReadAgain) {
  const Snapshot now = look();
  EXPECT_FALSE(was_read_again(now));
  EXPECT_TRUE(now.find(20)->looked_at);
  EXPECT_EQ(now.find(20)->tasks, before_.find(20)->tasks);
  EXPECT_EQ(now.find(20)->descriptors, before_.find(20)->descriptors);
}

TEST_F(RestingProcess, IsToldWhatOthersDoToIt) {
  status("S", 5);
  tree_.file("proc/21/memfd/3", "penstock-gate 1\npipe=82\nstate=open\n");
  const Snapshot now = look();
  EXPECT_FALSE(was_read_again(now));
  EXPECT_EQ(now.find(20)->signals_pending, 1U);
  EXPECT_NE(descriptor(now, 21, 3)->content, descriptor(before_, 21, 3)->content);
}

TEST_F(RestingProcess, IsToldOfWhatItShares) {
  tree_.file("proc/20/fdinfo/1", "pos:\t0\nflags:\t04001\n");  // O_NONBLOCK
  tree_.file("proc/20/cgroup", "0::/frozen\n");
  EXPECT_FALSE(descriptor(look(), 20, 1)->nonblocking()) << "read an interval ago";
  before_ = look();
  const Snapshot now = look();
  EXPECT_FALSE(was_read_again(now));
  EXPECT_TRUE(descriptor(now, 20, 1)->nonblocking());
  EXPECT_EQ(now.find(20)->cgroup, "/frozen");
}

TEST_F(RestingProcess, HasNoThreadThatHasRun) {
  const std::string status = "Name:\tx\nState:\tS (x)\nThreads:\t2\nvoluntary_ctxt_switches:\t";
  const std::string rest = "\nnonvoluntary_ctxt_switches:\t6\n";
  tree_.file("proc/20/stat",
             "20 (x) S 1 100 100 0 -1 4194304 0 0 0 0 3 4 0 0 20 0 2 0 5020 0 0 0\n");
  tree_.file("proc/20/status", status + "5" + rest);
  tree_.file("proc/20/task/20/status", status + "5" + rest);
  tree_.file("proc/20/task/22/status", status + "7" + rest);
  before_ = take_snapshot(tree_.source(), choose_all);
  ASSERT_EQ(before_.find(20)->tasks.size(), 2U);
  tree_.file("proc/20/cmdline", std::string_view("yet another\0", 12));
  EXPECT_EQ(look().find(20)->arguments->front(), "another");
  tree_.file("proc/20/task/22/status", status + "8" + rest);
  EXPECT_EQ(look().find(20)->arguments->front(), "yet another");
}

// A shell between fork and exec: what it holds when its sleep is read is what counts.
TEST(TakeSnapshot, DescriptorsAreNotOlderThanTheSleep) {
  RecordedTree tree;
  fill(tree);
  const Snapshot now = take_snapshot(tree.source(), [&](const Snapshot& table) {
    std::filesystem::remove(tree.root() / "proc/20/fd/1");
    tree.descriptor(20, 1, "pipe:[83]", "pos:\t0\nflags:\t01\n");
    return choose_all(table);
  });
  EXPECT_EQ(descriptor(now, 20, 1)->inode, 83U);
}

TEST(TakeSnapshot, ReadsAThousandProcessesInTwoThreads) {
  RecordedTree tree;
  constexpr int kMany = 1000;
  for (int pid = 1; pid <= kMany; ++pid) {
    tree.process(pid, "x", 'S', "pipe_read", "0 0x0 0x0 0x0 0x0 0x0 0x0 0x0 0x0\n");
  }
  const Snapshot before = take_snapshot(tree.source(), choose_all);
  ASSERT_EQ(before.processes.size(), static_cast<size_t>(kMany));
  EXPECT_EQ(before.find(1)->stat.start_time, 5001U);
  EXPECT_EQ(before.find(kMany)->stat.start_time, 6000U);
  const Snapshot now = take_snapshot(tree.source(), choose_all, &before);
  EXPECT_EQ(now.processes, before.processes);
}

TEST_F(RestingProcess, IsForgottenIfItEndsMeanwhile) {
  const Snapshot now = look([&](const Snapshot& table) {
    EXPECT_NE(table.find(21), nullptr);
    std::filesystem::remove_all(tree_.root() / "proc/21");
    return std::set<pid_t>{20};
  });
  EXPECT_EQ(now.find(21), nullptr);
}

TEST_F(RestingProcess, IsNotForgottenIfItsTableIsRefused) {
  const Snapshot now = look([&](const Snapshot&) {
    std::filesystem::remove_all(tree_.root() / "proc/21/fd");
    return std::set<pid_t>{20};
  });
  ASSERT_NE(now.find(21), nullptr);
  EXPECT_FALSE(now.find(21)->descriptors);
}

TEST_F(RestingProcess, IsOneThatHasNotRun) {
  status("S", 6);
  EXPECT_TRUE(was_read_again(look()));
}

TEST_F(RestingProcess, IsOneThatIsNotAboutToRun) {
  status("R", 5);
  EXPECT_TRUE(was_read_again(look()));
}

TEST_F(RestingProcess, IsOneThatSleptBefore) {
  before_.processes.at(20).tasks.front().syscall->running = true;
  EXPECT_TRUE(was_read_again(look()));
}

TEST_F(RestingProcess, HasAsManyThreadsAsBefore) {
  tree_.file("proc/20/stat",
             "20 (x) S 1 100 100 0 -1 4194304 0 0 0 0 3 4 0 0 20 0 2 0 5020 0 0 0\n");
  EXPECT_TRUE(was_read_again(look()));
}

TEST_F(RestingProcess, IsTheSameOne) {
  before_.processes.at(20).stat.start_time += 1;
  EXPECT_TRUE(was_read_again(look()));
}

// Its socket was no TCP connection; whoever shares it has run, and may have connected it.
TEST_F(RestingProcess, IsToldOfAConnectionThatAnotherMakesForIt) {
  tree_.descriptor(20, 9, "socket:[950]", "pos:\t0\nflags:\t02\n");
  tree_.descriptor(20, 10, "socket:[951]", "pos:\t0\nflags:\t02\n");
  tree_.descriptor(20, 11, "socket:[952]", "pos:\t0\nflags:\t02\n");
  tree_.process(22, "other", 'S', "0", "22 0x4 0x0 0x0 0x0 0x0 0x0 0x0 0x0\n");
  tree_.descriptor(22, 5, "socket:[950]", "pos:\t0\nflags:\t02\n");
  tree_.process(23, "closer", 'S', "0", "22 0x4 0x0 0x0 0x0 0x0 0x0 0x0 0x0\n");
  tree_.descriptor(23, 5, "socket:[951]", "pos:\t0\nflags:\t02\n");
  before_ = take_snapshot(tree_.source(), choose_all);
  ASSERT_TRUE(before_.tcp.empty());
  std::string table = "sl\n";
  for (const char* inode : {"950", "951", "952"}) {
    table += cat("0: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000 0 0 ",
                 inode, " 1 x\n");
  }
  tree_.file("proc/net/tcp", table);
  for (const int pid : {22, 23}) {
    tree_.file(cat("proc/", pid, "/status"),
               "Name:\tx\nState:\tS (x)\nUid:\t0\t0\t0\t0\nThreads:\t1\n"
               "voluntary_ctxt_switches:\t6\nnonvoluntary_ctxt_switches:\t6\n");
  }
  std::filesystem::remove(tree_.root() / "proc/23/fd/5");  // connected it and closed its own
  tree_.file("proc/20/cmdline", std::string_view("yet another\0", 12));
  const Snapshot now = look();
  EXPECT_EQ(now.find(20)->arguments->front(), "another") << "it has not run";
  EXPECT_TRUE(now.tcp.contains(950));
  EXPECT_TRUE(now.tcp.contains(951));
  EXPECT_FALSE(now.tcp.contains(952)) << "nobody but a sleeper had it: the table is not asked";
}

TEST_F(RestingProcess, IsLookedAtOnlyIfChosen) {
  const Snapshot now = look([](const Snapshot& table) {
    EXPECT_FALSE(table.find(20)->looked_at);
    return std::set<pid_t>{21};
  });
  EXPECT_FALSE(now.find(20)->looked_at);
  EXPECT_TRUE(now.find(20)->tasks.empty());
  EXPECT_FALSE(now.find(20)->arguments);
  EXPECT_EQ(descriptor(now, 20, 6), nullptr) << "a file, not a pipe";
  EXPECT_NE(descriptor(now, 20, 1), nullptr);
}

TEST(TakeSnapshot, FailsOnlyWhereThereIsNoProc) {
  EXPECT_THROW(take_snapshot({.proc = "/nonexistent/proc"}, choose_all), Error);
}

}  // namespace
}  // namespace penstock::procfs
