#include "spool/sequence_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "base/error.h"
#include "spool/sequence_text.h"
#include "spool/support_test.h"
#include "sys/files.h"

namespace penstock::spool {
namespace {

using namespace testing;

class SequenceFileTest : public ::testing::Test {
 protected:
  SequenceLock locked(const std::string& name = "sf") {
    auto lock = SequenceLock::take(scratch_.path(name), SequenceLock::Side::sender);
    EXPECT_TRUE(lock);
    return std::move(*lock);
  }
  std::string error_of_open() {
    try {
      static_cast<void>(SequenceFile::open(locked()));
    } catch (const Error& error) {
      return error.message();
    }
    return "no error";
  }
  const std::string& file() const { return file_; }
  const Scratch scratch_;
  const std::string file_ = scratch_.path("sf");
};

TEST_F(SequenceFileTest, IsCreatedHoldingOneForASender) {
  const auto lock = locked();
  EXPECT_EQ(SequenceFile::open_or_create(lock).read(), 1U);
  EXPECT_EQ(read_file(file()), "1\n");
  EXPECT_EQ(list(scratch_.path()), "sf sf.lock");
}

TEST_F(SequenceFileTest, IsCreatedUnderTheUmask) {
  const auto lock = locked();
  const mode_t umask_before = ::umask(027);
  SequenceFile::open_or_create(lock);
  ::umask(umask_before);
  EXPECT_EQ(sys::status_of_path(file())->st_mode & 07777U, 0640U);
}

TEST_F(SequenceFileTest, MissingIsAnErrorForAQueue) {
  EXPECT_EQ(error_of_open(), file() +
                                 " is missing, so nobody knows which number is next; `penstock "
                                 "prepare-set-next -s " +
                                 file() + " N` sets it");
  EXPECT_FALSE(exists(file()));
}

TEST_F(SequenceFileTest, KeepsWhatItReadsAfterAReopen) {
  const auto lock = locked();
  SequenceFile::open_or_create(lock).write(41);
  SequenceFile again = SequenceFile::open(lock);
  EXPECT_EQ(again.read(), 41U);
  again.write(UINT64_MAX);
  EXPECT_EQ(again.read(), UINT64_MAX);
  again.write(0);
  EXPECT_EQ(read_file(file()), "0\n");
}

TEST_F(SequenceFileTest, NamesWhatStandsInABadFileAndLeavesIt) {
  write_file(file(),
             "ab\x1b"
             "c\n");
  const auto lock = locked();
  const SequenceFile sequence = SequenceFile::open(lock);
  try {
    sequence.read();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.message(),
              file() + " holds \"ab\\x1bc\", not a number; `penstock prepare-set-next -s " +
                  file() + " N` sets it");
  }
  EXPECT_EQ(read_file(file()),
            "ab\x1b"
            "c\n");
}

TEST_F(SequenceFileTest, D16_IsRepairedByWriting) {
  for (const char* broken :
       {"", "abc\n", "\n", "a very long line that says nothing at all\nmore\n"}) {
    write_file(file(), broken);
    const auto lock = locked();
    SequenceFile::open_or_create(lock).write(12);
    EXPECT_EQ(read_file(file()), "12\n") << broken;
  }
}

TEST_F(SequenceFileTest, D18_KeepsModeOwnerAndLinks) {
  write_file(scratch_.path("real"), "5\n");
  ::chmod(scratch_.path("real").c_str(), 0600);
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(scratch_.path("real").c_str(), 1, 2), 0);
  }
  ASSERT_EQ(::symlink("real", file().c_str()), 0);
  const auto before = *sys::status_of_path(scratch_.path("real"));
  SequenceFile::open_or_create(locked()).write(100000);
  const auto after = *sys::status_of_path(scratch_.path("real"));
  EXPECT_EQ(read_file(scratch_.path("real")), "100000\n");
  EXPECT_EQ(after.st_mode, before.st_mode);
  EXPECT_EQ(after.st_uid, before.st_uid);
  EXPECT_EQ(after.st_gid, before.st_gid);
  EXPECT_EQ(after.st_ino, before.st_ino);
  EXPECT_EQ(list(scratch_.path()), "real sf sf.lock");
}

TEST_F(SequenceFileTest, GivesADanglingLinkItsTarget) {
  ASSERT_EQ(::mkdir(scratch_.path("d").c_str(), 0777), 0);
  ASSERT_EQ(::symlink("d/middle", file().c_str()), 0);
  ASSERT_EQ(::symlink("real", scratch_.path("d/middle").c_str()), 0);
  SequenceFile::open_or_create(locked()).write(3);
  EXPECT_EQ(read_file(scratch_.path("d/real")), "3\n");
  EXPECT_EQ(list(scratch_.path("d")), "middle real");
}

TEST_F(SequenceFileTest, ALoopOfLinksIsAnError) {
  ASSERT_EQ(::symlink("sf", file().c_str()), 0);
  EXPECT_THROW(SequenceFile::open_or_create(locked()), Error);
}

TEST_F(SequenceFileTest, WritesNothingOnceItsNameLeadsElsewhere) {
  const auto lock = locked();
  SequenceFile sequence = SequenceFile::open_or_create(lock);
  write_file(scratch_.path("other"), "77\n");
  ASSERT_EQ(::rename(scratch_.path("other").c_str(), file().c_str()), 0);
  EXPECT_THROW(sequence.check_writable(), Error);
  EXPECT_THROW(sequence.write(2), Error);
  EXPECT_EQ(read_file(file()), "77\n");
  ASSERT_EQ(::unlink(file().c_str()), 0);
  EXPECT_THROW(sequence.write(2), Error);
}

TEST_F(SequenceFileTest, D50_LeavesATemporaryFileOfFsplAlone) {
  write_file(file() + ".temp", "99");
  SequenceFile::open_or_create(locked()).write(2);
  EXPECT_EQ(read_file(file() + ".temp"), "99");
}

TEST_F(SequenceFileTest, RefusesWhatIsNoRegularFileWithoutWaiting) {
  ASSERT_EQ(::mkfifo(file().c_str(), 0666), 0);
  EXPECT_EQ(error_of_open(), file() + " is not a regular file");
  EXPECT_THROW(read_sequence_unlocked(file()), Error);
  ::unlink(file().c_str());
  ASSERT_EQ(::mkdir(file().c_str(), 0777), 0);
  EXPECT_EQ(error_of_open(), "open " + file() + ": Is a directory");
}

TEST_F(SequenceFileTest, D12_OneThatMayNotBeWrittenIsRefusedAtOnce) {
  write_file(file(), "5\n");
  write_file(file() + ".lock", "");
  ::chmod(file().c_str(), 0444);
  ::chmod((file() + ".lock").c_str(), 0666);
  EXPECT_TRUE(as_nobody([&] {
    const auto lock = SequenceLock::take(file(), SequenceLock::Side::queue);
    try {
      static_cast<void>(SequenceFile::open(*lock));
    } catch (const Error& error) {
      return error.is(EACCES) && read_sequence_unlocked(file()) == 5;
    }
    return false;
  }));
}

TEST_F(SequenceFileTest, D12_CheckingForWritingChangesNothing) {
  write_file(file(), " 05\nx");
  SequenceFile sequence = SequenceFile::open(locked());
  sequence.check_writable();
  EXPECT_EQ(read_file(file()), " 05\nx");
  write_file(file(), "");
  sequence.check_writable();
  EXPECT_EQ(read_file(file()), "");
}

TEST_F(SequenceFileTest, ReadsAsBeforeWhereItMayNotGrow) {
  write_file(file(), "5\n");
  ::chmod(file().c_str(), 0666);
  EXPECT_TRUE(as_nobody([&] {  // in a process of its own: the limit stays
    const auto lock = SequenceLock::take(file(), SequenceLock::Side::sender);
    SequenceFile sequence = SequenceFile::open(*lock);
    const rlimit two_bytes = {.rlim_cur = 2, .rlim_max = 2};
    ::setrlimit(RLIMIT_FSIZE, &two_bytes);
    ::signal(SIGXFSZ, SIG_IGN);
    sequence.check_writable();
    sequence.write(6);
    try {
      sequence.write(12345);
    } catch (const Error& error) {
      return error.is(EFBIG) && sequence.read() == 6;
    }
    return false;
  }));
}

TEST_F(SequenceFileTest, D31_IsReadWithoutTheLockWhileAWriterCounts) {
  const auto lock = locked();
  SequenceFile sequence = SequenceFile::open_or_create(lock);
  std::atomic<uint64_t> begun = 1;
  std::jthread writer([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      sequence.write(++begun);
      std::this_thread::sleep_for(std::chrono::microseconds(20));  // a job takes longer than this
    }
  });
  uint64_t last = 0;
  for (int i = 0; i < 2000; ++i) {
    const uint64_t number = read_sequence_unlocked(file());
    EXPECT_GE(number, last);
    EXPECT_LE(number, begun.load());
    last = number;
  }
}

TEST_F(SequenceFileTest, WhatWeWriteFsplReadsAndTheOtherWayRound) {
  PENSTOCK_NEEDS_FSPL();
  SequenceFile::open_or_create(locked()).write(41);
  EXPECT_EQ(
      shell("fspl prepare-nop -s " + file() + " > /dev/null; fspl prepare-get-next -s " + file())
          .out,
      "42\n");
  const auto lock = locked();
  SequenceFile sequence = SequenceFile::open(lock);  // a new inode: fspl has renamed
  EXPECT_EQ(sequence.read(), 42U);
  sequence.write(successor(sequence.read()));
  EXPECT_EQ(read_file(file()), "43\n");
}

// What a kill or a failing call at any instant leaves. The test below is what strace runs.
TEST(ForStrace, DISABLED_Write) {
  const std::string path = ::getenv("PENSTOCK_TEST_FILE");
  const auto lock = SequenceLock::take(path, SequenceLock::Side::sender);
  SequenceFile::open_or_create(*lock).write(12345);
}

TEST_F(SequenceFileTest, IsOldOrNewWhicheverCallFailsOrIsTheLast) {
  if (shell("strace -e trace=none true").status != 0) GTEST_SKIP() << "NOT TESTED: no strace";
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  const std::vector<std::pair<std::string, int>> calls = {
      {"pwrite64", 1},  {"pwrite64", 2}, {"fdatasync", 1}, {"fdatasync", 2},
      {"ftruncate", 1}, {"linkat", 1},   {"fsync", 1},     {"fsync", 2}};
  int failures = 0;
  for (const std::string before : {"", "5\n", "99999999\n"}) {
    for (const std::string how : {"error=EIO", "signal=KILL"}) {
      for (const auto& [call, when] : calls) {
        ::unlink(file().c_str());
        if (!before.empty()) write_file(file(), before);
        const std::string inject = call + ":" + how + ":when=" + std::to_string(when);
        const Outcome outcome =
            shell("ASAN_OPTIONS=detect_leaks=0 PENSTOCK_TEST_FILE=" + file() +
                  " strace -qq -o /dev/null -e inject=" + inject + " " + self +
                  " --gtest_also_run_disabled_tests --gtest_filter=ForStrace.DISABLED_Write");
        if (outcome.status != 0) ++failures;
        if (!exists(file())) {
          EXPECT_EQ(before, "");
          EXPECT_NE(outcome.status, 0);
          continue;
        }
        const uint64_t old_number = before.empty() ? 1 : std::stoull(before);
        const uint64_t number = read_sequence_unlocked(file());
        EXPECT_TRUE(number == 12345 || (outcome.status != 0 && number == old_number))
            << before << " " << inject << ": " << number;
      }
    }
  }
  EXPECT_GE(failures, 20);  // or nothing was injected at all
}

}  // namespace
}  // namespace penstock::spool
