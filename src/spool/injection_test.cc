#include "spool/injection.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <regex>
#include <thread>

#include "base/error.h"
#include "base/text.h"
#include "spool/support_test.h"
#include "spool/uuid.h"
#include "sys/files.h"

namespace penstock::spool {
namespace {

using namespace testing;

class InjectionTest : public ::testing::Test {
 protected:
  InjectionTest() { Queue::init(dir_, {}); }

  std::string in_jobs() const { return list(dir_ + "/jobs"); }
  // A file whose last byte was written `age` seconds ago.
  void put_aged(const std::string& name, time_t age) const {
    write_file(queue_.job_path(name), "x");
    make_older(name, age);
  }
  void make_older(const std::string& name, time_t age) const {
    const timeval then = {.tv_sec = Timestamp::now().seconds - age, .tv_usec = 0};
    const timeval times[2] = {then, then};
    ::utimes(queue_.job_path(name).c_str(), times);
  }
  std::vector<std::string> sweep(const Timestamp& now) const {
    const JobDirectory jobs = queue_.jobs();
    return sweep_temporaries(jobs.directory(), jobs.list().temporaries, now);
  }
  const Scratch scratch_;
  const std::string dir_ = scratch_.path("q");
  const Queue queue_{dir_};
};

TEST(Uuid, IsARandomOneInLowerCase) {
  const std::regex version_4("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(std::regex_match(uuid_v4(), version_4));
  EXPECT_NE(uuid_v4(), uuid_v4());
  EXPECT_TRUE(is_job_name(job_file_name()));
}

TEST(JobFileName, MayEndWithTheNumber) {
  EXPECT_EQ(number_in_name(job_file_name()), std::nullopt);
  EXPECT_EQ(number_in_name(job_file_name(7)), 7U);
  EXPECT_EQ(number_in_name(job_file_name(0)), 0U);
  EXPECT_EQ(number_in_name(job_file_name(UINT64_MAX)), UINT64_MAX);
  EXPECT_TRUE(is_job_name(job_file_name(7)));
  const std::string uuid = "6d4666b6-73d6-4143-bd6b-50d999ca9cfe";
  EXPECT_EQ(number_in_name(cat("fspl-", uuid, "-12.fspl")), 12U);
  // What anybody may have called a file, and what would say one number in two ways.
  for (const std::string& name :
       {cat("fspl-", uuid, "-.fspl"), cat("fspl-", uuid, "-07.fspl"),
        cat("fspl-", uuid, "-+7.fspl"), cat("fspl-", uuid, "-7 .fspl"),
        cat("fspl-", uuid, "-18446744073709551616.fspl"), cat("fspl-", uuid, "-1-2.fspl"),
        cat("fspl-", uuid, "7.fspl"), std::string("fspl-7.fspl"), std::string("fspl-x-7.fspl"),
        std::string("fspl-.fspl"), std::string("fspl-"),
        std::string("fspl-6D4666B6-73d6-4143-bd6b-50d999ca9cfe-7.fspl"),
        cat("fspl-", uuid, "-7.fspl.tmp"), cat("tmp-fspl-", uuid, "-7.fspl")}) {
    EXPECT_EQ(number_in_name(name), std::nullopt) << name;
  }
}

TEST_F(InjectionTest, ShowsNothingBeforeAllOfItIsThere) {
  Injection injection(queue_);
  sys::write_all(injection.fd(), "payload", "x");
  EXPECT_EQ(in_jobs(), "");
  const std::string name = injection.publish();
  EXPECT_EQ(in_jobs(), name);
  EXPECT_EQ(read_file(queue_.job_path(name)), "payload");
}

TEST_F(InjectionTest, D22_LeavesNothingWhenItIsGivenUp) {
  {
    const Injection injection(queue_);
    sys::write_all(injection.fd(), "half", "x");
  }
  EXPECT_EQ(in_jobs(), "");
}

TEST_F(InjectionTest, FollowsTheUmask) {
  const mode_t before = ::umask(027);
  const std::string name = Injection(queue_).publish();
  ::umask(before);
  EXPECT_EQ(sys::status_of_path(queue_.job_path(name))->st_mode & 07777U, 0640U);
}

TEST_F(InjectionTest, NeedsNoNumberAndNoLock) {
  ::unlink(queue_.sequence_path().c_str());
  ::unlink((queue_.sequence_path() + ".lock").c_str());
  EXPECT_TRUE(is_job_name(Injection(queue_).publish()));
}

TEST_F(InjectionTest, IsAnErrorWithoutAQueue) {
  EXPECT_THROW(Injection(Queue(scratch_.path("none"))), Error);
}

TEST_F(InjectionTest, FsplSeesOursAndWeSeeItsOwnWhenBothInject) {
  PENSTOCK_NEEDS_FSPL();
  constexpr int kEach = 40;
  std::jthread theirs([&] {
    EXPECT_EQ(shell("for i in $(seq 40); do fspl prepare -s " + scratch_.path("sf") +
                    " | fspl queue-write -q " + dir_ + " || exit 1; done")
                  .status,
              0);
  });
  // Numbers behind theirs; all that there is to a job file here is its header.
  shell("fspl prepare-set-next -s " + scratch_.path("ours") + " 41");
  for (int i = 0; i < kEach; ++i) {
    const Outcome packet = shell("fspl prepare -s " + scratch_.path("ours"));
    Injection injection(queue_);
    sys::write_all(injection.fd(), packet.out, "x");
    injection.publish();
  }
  theirs.join();
  EXPECT_EQ(queue_.jobs().list().jobs.size(), 80U);
  EXPECT_EQ(shell("fspl queue-process -q " + dir_ + " true").status, 0);
  EXPECT_EQ(read_file(queue_.sequence_path()), "81\n");
  EXPECT_EQ(in_jobs(), "");
}

TEST_F(InjectionTest, D22_SweepsWhatAKilledWriterLeft) {
  put_aged("tmp-fspl-1.fspl.tmp", 90000);
  put_aged("tmp-fspl-2.fspl.tmp", 80000);
  put_aged("fspl-3.fspl", 90000);
  put_aged("tmp-other", 90000);
  put_aged("fspl-4.fspl.tmp", 90000);
  ASSERT_EQ(::mkdir(queue_.job_path("tmp-fspl-5.fspl.tmp").c_str(), 0777), 0);
  make_older("tmp-fspl-5.fspl.tmp", 90000);
  EXPECT_EQ(sweep(Timestamp::now()), (std::vector<std::string>{"tmp-fspl-1.fspl.tmp"}));
  EXPECT_EQ(in_jobs(),
            "fspl-3.fspl fspl-4.fspl.tmp tmp-fspl-2.fspl.tmp tmp-fspl-5.fspl.tmp tmp-other");
}

// What strace runs below. Without a fixture, whose own calls would be counted.
TEST(ForStrace, DISABLED_Inject) {
  const Queue queue(::getenv("PENSTOCK_TEST_QUEUE"));
  Injection injection(queue);
  sys::write_all(injection.fd(), std::string(100000, 'x'), "x");
  std::puts(("published " + injection.publish()).c_str());
}

TEST_F(InjectionTest, D13_SyncsTheBytesThenTheDirectoryThatHasTheName) {
  if (shell("strace -e trace=none true").status != 0) GTEST_SKIP() << "NOT TESTED: no strace";
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  const Outcome calls = shell(
      "ASAN_OPTIONS=detect_leaks=0 PENSTOCK_TEST_QUEUE=" + dir_ + " strace -qq -y -o " +
      scratch_.path("trace") + " -e trace=fsync,linkat " + self +
      " --gtest_also_run_disabled_tests --gtest_filter=ForStrace.DISABLED_Inject > /dev/null; "
      "sed -E 's/^(fsync.*jobs>|fsync|linkat).*/\\1/; s/[0-9]+<.*jobs>/jobs/' " +
      scratch_.path("trace"));
  EXPECT_EQ(calls.out, "fsync\nlinkat\nfsync(jobs\n");
}

class EveryCall : public InjectionTest, public ::testing::WithParamInterface<const char*> {};

// With and without unnamed files, each call failing and each call the last: a job is absent or
// whole, it is there if we said so, absent if we said not, and nothing but a swept name is left.
TEST_P(EveryCall, LeavesAJobAbsentOrWhole) {
  if (shell("strace -e trace=none true").status != 0) GTEST_SKIP() << "NOT TESTED: no strace";
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  const std::string ours_only = "-P " + dir_ + "/jobs ";  // the loader opens files too
  const std::vector<std::pair<std::string, std::string>> calls = {
      {"openat", ours_only},    {"write", ""},          {"fsync", ""}, {"linkat", ours_only},
      {"renameat2", ours_only}, {"unlinkat", ours_only}};
  int failures = 0;
  for (const std::string how : {"error=EIO", "error=ENOSPC", "signal=KILL"}) {
    for (const auto& [call, filter] : calls) {
      for (const int when : {1, 2, 99}) {
        if (how == "error=ENOSPC" && call != "write") continue;
        const std::string inject = call + ":" + how + ":when=" + std::to_string(when);
        const Outcome outcome = shell("ASAN_OPTIONS=detect_leaks=0 PENSTOCK_TEST_QUEUE=" + dir_ +
                                      " strace -qq -o /dev/null " + filter + GetParam() +
                                      " -e inject=" + inject + " " + self +
                                      " --gtest_brief=1 --gtest_also_run_disabled_tests"
                                      " --gtest_filter=ForStrace.DISABLED_Inject");
        const bool said_so = outcome.out.find("published fspl-") != std::string::npos;
        if (outcome.status != 0) ++failures;
        if (when == 99) {
          EXPECT_TRUE(said_so) << inject << outcome.out;
        }
        const auto names = queue_.jobs().list().jobs;
        EXPECT_LE(names.size(), 1U);
        if (said_so) {
          EXPECT_EQ(names.size(), 1U) << inject;
        }
        if (outcome.status == 1 && !said_so) {
          EXPECT_EQ(in_jobs(), "") << inject;
        }
        for (const std::string& name : names) {
          EXPECT_EQ(read_file(queue_.job_path(name)).size(), 100000U) << inject;
        }
        sweep({.seconds = Timestamp::now().seconds + 100000});
        for (const std::string& name : names) ::unlink(queue_.job_path(name).c_str());
        EXPECT_EQ(in_jobs(), "") << inject;
      }
    }
  }
  EXPECT_GE(failures, 10);  // or nothing was injected at all
}

TEST(Temporaries, AreFoundWithTheirAge) {
  const Scratch scratch;
  const Queue queue(scratch.path("q"));
  Queue::init(queue.dir(), {});
  for (const char* name : {"jobs/tmp-fspl-a.fspl.tmp", "jobs/fspl-a.fspl", "jobs/.penstock-b.tmp",
                           ".penstock-c.tmp", "tmp-fspl-d.fspl.tmp"}) {
    write_file(queue.dir() + "/" + name, "half");
  }
  ASSERT_EQ(::mkdir((queue.dir() + "/.penstock-dir.tmp").c_str(), 0700), 0);
  const auto found = [&](int64_t later) {
    std::string text;
    auto files = find_temporaries(queue, {.seconds = Timestamp::now().seconds + later});
    std::ranges::sort(files, {}, &Temporary::path);
    for (const Temporary& file : files) text += file.path + (file.is_old ? " old, " : ", ");
    return text;
  };
  EXPECT_EQ(found(0), ".penstock-c.tmp, jobs/.penstock-b.tmp, jobs/tmp-fspl-a.fspl.tmp, ");
  EXPECT_EQ(found(100000),
            ".penstock-c.tmp old, jobs/.penstock-b.tmp old, jobs/tmp-fspl-a.fspl.tmp old, ");
  remove_temporary(queue, {.path = "jobs/tmp-fspl-a.fspl.tmp"});
  remove_temporary(queue, {.path = "jobs/tmp-fspl-a.fspl.tmp"});
  EXPECT_EQ(found(0), ".penstock-c.tmp, jobs/.penstock-b.tmp, ");
}

INSTANTIATE_TEST_SUITE_P(Injection, EveryCall,
                         ::testing::Values("", "-e inject=access,faccessat2:error=ENOENT"),
                         [](const auto& which) {
                           return std::string(*which.param == '\0' ? "Unnamed" : "WithoutProc");
                         });

}  // namespace
}  // namespace penstock::spool
