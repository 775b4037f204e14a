#include "procfs/process_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "procfs/system_call.h"

namespace penstock::procfs {
namespace {

constexpr std::string_view kStat =
    "42 (a) R (b\n) S 1 40 39 34816 44 4194304 100 0 0 0 7 5 0 0 20 0 3 0 987654 1000 10 1844 1 1 "
    "1 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 1 1 1 1 1 1 1 256\n";

TEST(ParseStatLine, ReadsTerminalThreadsAndTheExitCode) {
  const auto line = parse_stat_line(kStat);
  ASSERT_TRUE(line);
  EXPECT_EQ(line->stat.comm, "a) R (b\n");
  EXPECT_EQ(line->stat.start_time, 987654U);
  EXPECT_EQ(line->tty, 34816);
  EXPECT_EQ(line->foreground_group, 44);
  EXPECT_EQ(line->cpu_ticks, 12U);
  EXPECT_EQ(line->threads, 3);
  EXPECT_EQ(line->exit_code, 256);
  EXPECT_FALSE(line->stat.kernel_thread);
}

TEST(ParseStatLine, KnowsAKernelThreadByItsFlags) {
  const auto line = parse_stat_line(
      "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 1 0 0 18446744073709551615 0");
  ASSERT_TRUE(line);
  EXPECT_TRUE(line->stat.kernel_thread);
}

// Cut anywhere, it is either nothing or says the same of whom it is about.
TEST(ParseStatLine, ToleratesBeingCutAnywhere) {
  for (size_t length = 0; length < kStat.size(); ++length) {
    const auto line = parse_stat_line(kStat.substr(0, length));
    EXPECT_TRUE(!line || line->stat.pid == 42) << length;
  }
}

TEST(ParseStatus, ReadsMasksSwitchesAndAnEscapedName) {
  const StatusFile status = parse_status(
      "Name:\ta\\nb\\\\c\nState:\tS (sleeping)\nTracerPid:\t77\nUid:\t1000\t1001\t1002\t1003\n"
      "Threads:\t5\nSigPnd:\t0000000000000001\nShdPnd:\t0000000000004000\n"
      "SigBlk:\t0000000000010000\nSigIgn:\t0000000000001000\nSigCgt:\t0000000180000000\n"
      "voluntary_ctxt_switches:\t11\nnonvoluntary_ctxt_switches:\t12\n");
  EXPECT_EQ(status.comm, "a\nb\\c");
  EXPECT_EQ(status.state, 'S');
  EXPECT_EQ(status.threads, 5);
  EXPECT_EQ(status.user, 1001U);
  EXPECT_EQ(status.tracer, 77);
  EXPECT_EQ(status.pending, 0x4001U);
  EXPECT_EQ(status.blocked, 0x10000U);
  EXPECT_EQ(status.ignored, 0x1000U);
  EXPECT_EQ(status.caught, 0x180000000U);
  EXPECT_EQ(status.voluntary_switches, 11U);
  EXPECT_EQ(status.involuntary_switches, 12U);
}

TEST(ParseStatus, LeavesOpenWhatIsNotThere) {
  const StatusFile status =
      parse_status("Name:\tx\nvoluntary_ctxt_switches:\t99999999999999999999");
  EXPECT_FALSE(status.user);
  EXPECT_FALSE(status.voluntary_switches);
}

TEST(ParseIo, NeedsBothCounters) {
  EXPECT_EQ(parse_io("rchar: 5\nwchar: 6\nsyscr: 7\nsyscw: 8\nread_bytes: 9\nwrite_bytes: 10\n"),
            (IoTotals{.read_bytes = 5,
                      .write_bytes = 6,
                      .read_calls = 7,
                      .write_calls = 8,
                      .disk_read = 9,
                      .disk_written = 10}));
  EXPECT_FALSE(parse_io("rchar: 5\n"));
}

TEST(ParseWchan, ZeroMeansNotTold) {
  EXPECT_FALSE(parse_wchan("0"));
  EXPECT_FALSE(parse_wchan("0\n"));
  EXPECT_FALSE(parse_wchan(""));
  EXPECT_EQ(parse_wchan("anon_pipe_write"), "anon_pipe_write");
}

TEST(ParseExecStart, TakesOnlyAPlausibleTime) {
  EXPECT_EQ(parse_exec_start("cat (1, #threads: 1)\n---\nse.exec_start      :    1234.500000\n"),
            1234.5);
  EXPECT_FALSE(parse_exec_start("se.exec_start : nan\n"));
  EXPECT_FALSE(parse_exec_start("se.exec_start : -1\n"));
  EXPECT_FALSE(parse_exec_start("se.exec_start\n"));
}

TEST(ParseSyscall, MeansTheSameOnBothMachines) {
  const std::string_view rest = " 0x4 0x7f00 0x1000 0x0 0x0 0x0 0x7ffe39a0f288 0x7fa6d77df2ad\n";
  const auto x86 = parse_syscall("1" + std::string(rest), CallTable::x86_64);
  const auto arm = parse_syscall("64" + std::string(rest), CallTable::generic);
  ASSERT_TRUE(x86 && arm);
  EXPECT_EQ(x86->call, Call::write);
  EXPECT_EQ(arm->call, Call::write);
  EXPECT_EQ(x86->arguments[0], 4U);
  EXPECT_EQ(parse_syscall("1" + std::string(rest), CallTable::unknown)->call, Call::other);
}

TEST(ParseSyscall, KnowsRunningAndNoCall) {
  EXPECT_TRUE(parse_syscall("running\n", CallTable::x86_64)->running);
  const auto none = parse_syscall("-1 0x7ffe39a0f288 0x7fa6d77df2ad\n", CallTable::x86_64);
  ASSERT_TRUE(none);
  EXPECT_EQ(none->number, -1);
  EXPECT_FALSE(none->running);
}

TEST(ParseSyscall, DoesNotTakeA32BitProgramsNumbersForOurs) {
  const auto state =
      parse_syscall("3 0x0 0x0 0x0 0x0 0x0 0x0 0xff800000 0xf7f00000\n", CallTable::x86_64);
  ASSERT_TRUE(state);
  EXPECT_EQ(state->call, Call::other);
}

TEST(ParseSyscall, RefusesWhatIsCut) {
  for (const char* text : {"", "x", "0", "0 0x3", "0 3 4 5 6 7 8", "-2 0x1 0x2"}) {
    EXPECT_FALSE(parse_syscall(text, CallTable::x86_64)) << text;
  }
}

TEST(CallNames, GoBothWays) {
  for (int call = 0; call <= static_cast<int>(Call::other); ++call) {
    EXPECT_EQ(call_named(name_of(static_cast<Call>(call))), static_cast<Call>(call));
  }
  EXPECT_FALSE(call_named("sing"));
}

TEST(ParseFdInfo, ReadsWhatAnEpollWatches) {
  const FdInfo info = parse_fdinfo(
      "pos:\t17\nflags:\t02004001\nmnt_id:\t15\nino:\t1057\n"
      "tfd:        5 events: 80000019 data:                5  pos:0 ino:61af sdev:7\n"
      "tfd:       12 events:        4 data:     cffffffff  pos:0 ino:61b0 sdev:7\n"
      "tfd:  x events: 4\n");
  EXPECT_EQ(info.position, 17U);
  EXPECT_EQ(info.flags, static_cast<uint32_t>(O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  EXPECT_EQ(info.mount, 15);
  EXPECT_EQ(info.watched, (std::vector<EpollEntry>{{5, 0x80000019}, {12, 4}}));
}

TEST(ParseFdInfo, KnowsOfALock) {
  EXPECT_TRUE(parse_fdinfo("pos:\t0\nflags:\t01\n"
                           "lock:\t1: FLOCK  ADVISORY  WRITE 3260 fe:00:1128 0 EOF\n")
                  .locked);
  EXPECT_FALSE(parse_fdinfo("pos:\t0\nflags:\t01\n").locked);
}

TEST(ParseFdLink, TellsKinds) {
  EXPECT_EQ(parse_fd_link("pipe:[81234]").kind, FileKind::pipe);
  EXPECT_EQ(parse_fd_link("pipe:[81234]").inode, 81234U);
  EXPECT_EQ(parse_fd_link("pipe:[x]").kind, FileKind::other);
  EXPECT_EQ(parse_fd_link("socket:[7]").kind, FileKind::socket);
  EXPECT_EQ(parse_fd_link("/dev/pts/3 (deleted)").kind, FileKind::tty);
  EXPECT_EQ(parse_fd_link("/dev/ttyS0").kind, FileKind::tty);
  EXPECT_EQ(parse_fd_link("/memfd:penstock-gate:7 (deleted)").kind, FileKind::memfd);
  EXPECT_EQ(parse_fd_link("anon_inode:[eventpoll]").kind, FileKind::epoll);
  EXPECT_EQ(parse_fd_link("anon_inode:[eventfd]").kind, FileKind::other);
  EXPECT_EQ(parse_fd_link("/tmp/pipe:[3]").kind, FileKind::path);
}

TEST(ParseEnvironment, TellsNamesWithoutValues) {
  const std::string text("A=ZFS_SET_PIPE_MAX=1\0ZFS_SET_PIPE_MAX=yes\0ZFS_SET_PIPE_MAXX=1\0B", 62);
  EXPECT_EQ(parse_environment(text, {"ZFS_SET_PIPE_MAX", "ZFS_NO_PIPE_MAX"}),
            std::vector<std::string>{"ZFS_SET_PIPE_MAX"});
}

TEST(ParseArguments, KeepsEmptyWordsAndACutOne) {
  EXPECT_EQ(parse_arguments(std::string_view("a\0\0b c", 6)),
            (std::vector<std::string>{"a", "", "b c"}));
}

}  // namespace
}  // namespace penstock::procfs
