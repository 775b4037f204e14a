#include "procfs/system_files.h"

#include <gtest/gtest.h>

namespace penstock::procfs {
namespace {

TEST(ParseLocks, TellsWaitersFromOwners) {
  const auto locks = parse_locks(
      "1: FLOCK  ADVISORY  WRITE 23823 fe:00:11018650 0 EOF\n"
      "1: -> FLOCK  ADVISORY  READ 23824 fe:00:11018650 0 EOF\n"
      "2: OFDLCK ADVISORY  WRITE -1 00:2d:77 0 EOF\n"
      "3: POSIX\n"
      "nonsense\n");
  ASSERT_EQ(locks.size(), 3U);
  EXPECT_EQ(locks[0], (FileLock{.number = 1,
                                .kind = "FLOCK",
                                .exclusive = true,
                                .pid = 23823,
                                .major = 0xfe,
                                .minor = 0,
                                .inode = 11018650}));
  EXPECT_TRUE(locks[1].waits);
  EXPECT_FALSE(locks[1].exclusive);
  EXPECT_EQ(locks[2].pid, -1);
}

TEST(ParseTcp, WritesAddressesAsPeopleDo) {
  const auto sockets = parse_tcp(
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout\n"
      "   0: 0100007F:07E8 0700000A:0016 01 00000010:00000020 01:00000014 00000003  1000        2 "
      "1588 1 00000000364b4c4d 100 0 0 10 0\n"
      "   1: 00000000000000000000000001000000:0050 0000000000000000FFFF00000700000A:1F90 0A "
      "00000000:00000000 00:00000000 00000000     0        0 1600 1 x\n"
      "   2: 0100007F:07E8\n");
  ASSERT_EQ(sockets.size(), 2U);
  EXPECT_EQ(sockets[0], (TcpSocket{.inode = 1588,
                                   .local = "127.0.0.1:2024",
                                   .remote = "10.0.0.7:22",
                                   .state = 1,
                                   .send_queue = 16,
                                   .receive_queue = 32,
                                   .timer = 1,
                                   .retransmits = 3,
                                   .probes = 2}));
  EXPECT_EQ(sockets[1].local, "[::1]:80");
  EXPECT_EQ(sockets[1].remote, "10.0.0.7:8080");
}

TEST(ParseUnix, KeepsBlanksOfAPath) {
  const auto sockets = parse_unix(
      "Num       RefCount Protocol Flags    Type St Inode Path\n"
      "00000000c06fc0c0: 00000003 00000000 00000000 0001 03  1584\n"
      "00000000c06fc0c0: 00000002 00000000 00010000 0001 01  1585 /run/a b\n");
  ASSERT_EQ(sockets.size(), 2U);
  EXPECT_EQ(sockets[0], (UnixSocket{.inode = 1584, .state = 3}));
  EXPECT_EQ(sockets[1], (UnixSocket{.inode = 1585, .state = 1, .path = "/run/a b"}));
}

TEST(ParseCgroup, TellsTheTwoHierarchiesApart) {
  const CgroupPaths paths =
      parse_cgroup("9:name=systemd:/x\n6:cpu,freezer:/docker/a:b\n0::/user.slice\n");
  EXPECT_EQ(paths.freezer, "/docker/a:b");
  EXPECT_EQ(paths.unified, "/user.slice");
  EXPECT_FALSE(parse_cgroup("0::relative\n").unified);
}

TEST(ParseKeyed, TakesTheWholeKey) {
  EXPECT_EQ(parse_keyed("frozenly 3\npopulated 1\nfrozen 1\n", "frozen"), 1U);
  EXPECT_FALSE(parse_keyed("frozen\n", "frozen"));
}

TEST(ParseMounts, KnowsWhichFileSystemsMayBeAsked) {
  const auto mounts = parse_mounts(
      "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
      "28 27 0:40 / /mnt rw shared:1 master:2 - nfs4 server:/x rw\n"
      "29 27 0:41 / /y rw - fuse.sshfs x rw\n"
      "x\n");
  EXPECT_TRUE(mounts.at(27));
  EXPECT_FALSE(mounts.at(28));
  EXPECT_FALSE(mounts.at(29));
}

}  // namespace
}  // namespace penstock::procfs
