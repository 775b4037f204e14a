#include "procfs/process_table.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "sys/pipe.h"

namespace penstock::procfs {
namespace {

TEST(ParseStat, ReadsANameWithBracketsAndNewlines) {
  const auto stat = parse_stat(
      "42 (a) (b\n c) S 1 40 39 0 -1 4194304 100 0 0 0 0 0 0 0 20 0 1 0 987654 1000 10 1844 0 0\n");
  ASSERT_TRUE(stat);
  EXPECT_EQ(*stat, (ProcessStat{.pid = 42,
                                .comm = "a) (b\n c",
                                .state = 'S',
                                .parent = 1,
                                .group = 40,
                                .session = 39,
                                .start_time = 987654}));
}

TEST(ParseStat, TellsThreadsOfTheKernel) {
  const auto stat =
      parse_stat("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 7 0 0 0 0 0\n");
  ASSERT_TRUE(stat);
  EXPECT_TRUE(stat->kernel_thread);
}

TEST(ParseStat, RefusesWhatIsCut) {
  for (const char* text : {"", "42", "42 (a", "42 (a)", "42 (a) S 1 2", "x (a) S 1 40 39 0 -1"}) {
    EXPECT_FALSE(parse_stat(text)) << text;
  }
}

TEST(ReadStat, KnowsThisProcess) {
  const auto stat = read_stat(getpid());
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->parent, getppid());
  EXPECT_EQ(read_owner(getpid()), geteuid());
}

TEST(ReadPipeEnds, TellsDirectionAndInode) {
  const sys::Pipe pipe = sys::Pipe::make();
  const auto ends = read_pipe_ends(getpid());
  ASSERT_TRUE(ends);
  const PipeEnd reader{
      .fd = pipe.read.get(), .inode = sys::inode_of(pipe.read.get()), .reads = true};
  const PipeEnd writer{
      .fd = pipe.write.get(), .inode = sys::inode_of(pipe.read.get()), .writes = true};
  EXPECT_EQ(std::ranges::count(*ends, reader), 1);
  EXPECT_EQ(std::ranges::count(*ends, writer), 1);
}

TEST(ReadPipeEnds, SaysNothingOfAProcessThatIsGone) {
  EXPECT_FALSE(read_pipe_ends(0x3fffffff));
}

}  // namespace
}  // namespace penstock::procfs
