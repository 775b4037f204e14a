#include "spool/quarantine.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "spool/support_test.h"
#include "sys/files.h"

namespace penstock::spool {
namespace {

using namespace testing;

class QuarantineTest : public ::testing::Test {
 protected:
  QuarantineTest() { Queue::init(dir_, {}); }

  FileIdentity put(const std::string& name, std::string_view content) const {
    write_file(queue_.job_path(name), content);
    return id_of(name);
  }
  FileIdentity id_of(const std::string& name) const {
    return FileIdentity::of(*sys::status_of_path(queue_.job_path(name)));
  }
  const Scratch scratch_;
  const std::string dir_ = scratch_.path("q");
  const std::string folder_ = dir_ + "/penstock/quarantine";
  const Queue queue_{dir_};
  const std::string name_ = "fspl-a.fspl";
};

TEST_F(QuarantineTest, D49_TakesAJobAsideWithItsReport) {
  const FileIdentity id = put(name_, "payload");
  EXPECT_EQ(quarantine(queue_, name_, id, "gpg exited 2\n"), name_);
  EXPECT_EQ(list(folder_), "fspl-a.fspl fspl-a.fspl.report");
  EXPECT_EQ(read_file(folder_ + "/" + name_), "payload");
  EXPECT_EQ(read_file(folder_ + "/fspl-a.fspl.report"), "gpg exited 2\n");
  EXPECT_EQ(sys::status_of_path(dir_ + "/penstock")->st_mode & 07777U, 0700U);
  EXPECT_EQ(sys::status_of_path(folder_)->st_mode & 07777U, 0700U);
}

TEST_F(QuarantineTest, TheCallerRemovesTheJobAfterItsCommit) {
  const FileIdentity id = put(name_, "payload");
  quarantine(queue_, name_, id, "r");
  EXPECT_EQ(queue_.jobs().remove(name_, id), JobDirectory::Removal::removed);
  EXPECT_EQ(read_file(folder_ + "/" + name_), "payload");
}

TEST_F(QuarantineTest, AgainAfterAKillChangesNothing) {
  const FileIdentity id = put(name_, "payload");
  quarantine(queue_, name_, id, "first");
  EXPECT_EQ(quarantine(queue_, name_, id, "second"), name_);
  EXPECT_EQ(list(folder_), "fspl-a.fspl fspl-a.fspl.report");
}

TEST_F(QuarantineTest, OverwritesNothing) {
  const FileIdentity first = put(name_, "one");
  quarantine(queue_, name_, first, "r1");
  queue_.jobs().remove(name_, first);
  const std::string other = quarantine(queue_, name_, put(name_, "two"), "r2");
  EXPECT_NE(other, name_);
  EXPECT_TRUE(is_job_name(other));
  EXPECT_EQ(read_file(folder_ + "/" + name_), "one");
  EXPECT_EQ(read_file(folder_ + "/fspl-a.fspl.report"), "r1");
  EXPECT_EQ(read_file(folder_ + "/" + other), "two");
  EXPECT_EQ(read_file(folder_ + "/" + other + ".report"), "r2");
}

TEST_F(QuarantineTest, AgainAfterAKillChangesNothingUnderAnotherNameEither) {
  const FileIdentity first = put(name_, "one");
  quarantine(queue_, name_, first, "r1");
  queue_.jobs().remove(name_, first);
  const FileIdentity second = put(name_, "two");
  const std::string other = quarantine(queue_, name_, second, "r2");
  EXPECT_EQ(quarantine(queue_, name_, second, "r3"), other);
  EXPECT_EQ(read_file(folder_ + "/" + other + ".report"), "r2");
}

TEST_F(QuarantineTest, AReportWhoseJobAPowerCutLostIsReplaced) {
  const FileIdentity id = put(name_, "payload");
  quarantine(queue_, name_, id, "lost");
  sys::Directory(folder_).remove(name_);
  EXPECT_EQ(quarantine(queue_, name_, id, "again"), name_);
  EXPECT_EQ(list(folder_), "fspl-a.fspl fspl-a.fspl.report");
  EXPECT_EQ(read_file(folder_ + "/fspl-a.fspl.report"), "again");
}

TEST_F(QuarantineTest, TakesTheLongestName) {
  const std::string longest = "fspl-" + std::string(245, 'x') + ".fspl";
  ASSERT_EQ(longest.size(), 255U);
  const std::string other = quarantine(queue_, longest, put(longest, "x"), "r");
  EXPECT_TRUE(is_job_name(other));
  EXPECT_EQ(list(folder_), other + " " + other + ".report");
}

TEST_F(QuarantineTest, KeepsALinkLeadingToItsEnd) {
  write_file(scratch_.path("real"), "payload");
  ASSERT_EQ(::symlink("../../real", queue_.job_path(name_).c_str()), 0);
  quarantine(queue_, name_, id_of(name_), "r");
  EXPECT_EQ(read_file(folder_ + "/" + name_), "payload");
}

TEST_F(QuarantineTest, LeavesAnotherFileOfThatNameAlone) {
  const FileIdentity id = put(name_, "x");
  ::unlink(queue_.job_path(name_).c_str());
  EXPECT_THROW(quarantine(queue_, name_, id, "r"), Error);
  put("new", "y");
  ASSERT_EQ(::rename(queue_.job_path("new").c_str(), queue_.job_path(name_).c_str()), 0);
  FileIdentity gone = id;
  gone.inode = id.inode + 1000000;
  EXPECT_THROW(quarantine(queue_, name_, gone, "r"), Error);
  EXPECT_TRUE(exists(queue_.job_path(name_)));
  EXPECT_FALSE(exists(folder_));
}

// fs.protected_hardlinks: a file of another user must not be linked to, but may be moved.
TEST_F(QuarantineTest, MovesWhatItMayNotLink) {
  const FileIdentity id = put(name_, "x");
  if (::geteuid() != 0 || read_file("/proc/sys/fs/protected_hardlinks") != "1\n") {
    GTEST_SKIP() << "NOT TESTED: needs root and fs.protected_hardlinks";
  }
  ::chmod(queue_.job_path(name_).c_str(), 0644);
  ::chmod(dir_.c_str(), 0777);
  ::chmod((dir_ + "/jobs").c_str(), 0777);
  EXPECT_TRUE(as_nobody([&] { return quarantine(queue_, name_, id, "r") == name_; }));
  EXPECT_FALSE(exists(queue_.job_path(name_)));
  EXPECT_EQ(queue_.jobs().remove(name_, id), JobDirectory::Removal::vanished);
  EXPECT_EQ(list(folder_), "fspl-a.fspl fspl-a.fspl.report");
}

TEST_F(QuarantineTest, FindsAJobByItsInode) {
  EXPECT_EQ(find_quarantined(queue_, 1), std::nullopt);  // no folder yet
  const FileIdentity id = put(name_, "x");
  quarantine(queue_, name_, id, "r");
  EXPECT_EQ(find_quarantined(queue_, id.inode), name_);
  EXPECT_EQ(find_quarantined(queue_, id.inode + 1000000), std::nullopt);
  const auto report = sys::status_of_path(folder_ + "/" + name_ + ".report");
  EXPECT_EQ(find_quarantined(queue_, report->st_ino), std::nullopt);
}

TEST_F(QuarantineTest, AFailureLeavesTheJobAndNoReport) {
  const FileIdentity id = put(name_, "x");
  write_file(dir_ + "/penstock", "a file, not a folder");
  EXPECT_THROW(quarantine(queue_, name_, id, "r"), Error);
  EXPECT_TRUE(exists(queue_.job_path(name_)));
}

TEST_F(QuarantineTest, TakesItsReportBackIfTheJobCannotBeMoved) {
  const FileIdentity id = put(name_, "x");
  if (::geteuid() != 0 || read_file("/proc/sys/fs/protected_hardlinks") != "1\n") {
    GTEST_SKIP() << "NOT TESTED: needs root and fs.protected_hardlinks";
  }
  ::chmod(queue_.job_path(name_).c_str(), 0644);
  ::chmod(dir_.c_str(), 0777);
  ::chmod((dir_ + "/jobs").c_str(), 0755);
  EXPECT_TRUE(as_nobody([&] {
    try {
      quarantine(queue_, name_, id, "r");
    } catch (const Error& error) {
      return error.is(EACCES);
    }
    return false;
  }));
  EXPECT_TRUE(exists(queue_.job_path(name_)));
  EXPECT_EQ(list(folder_), "");
}

class QuarantinedTest : public QuarantineTest {
 protected:
  // A job that was moved aside, as a run does it.
  void put_aside(const std::string& name, const std::string& report) const {
    const FileIdentity id = put(name, "payload of " + name);
    quarantine(queue_, name, id, report);
    queue_.jobs().remove(name, id);
  }
  QuarantinedJob only() const {
    const auto jobs = quarantined_jobs(queue_);
    EXPECT_EQ(jobs.size(), 1U);
    return jobs.at(0);
  }
  std::string jobs() const { return list(dir_ + "/jobs"); }
};

TEST_F(QuarantinedTest, AreListedByNumber) {
  EXPECT_EQ(quarantined_jobs(queue_).size(), 0U);
  put_aside("fspl-b.fspl", encode(QuarantineReport{.number = 9, .reason = "x"}));
  put_aside("fspl-c.fspl", encode(QuarantineReport{.number = 10}));
  put_aside("fspl-a.fspl", encode(QuarantineReport{.number = 9}));
  put_aside("fspl-0.fspl", "by hand");
  write_file(folder_ + "/fspl-gone.fspl.report", "job: 1\n");
  std::string names;
  for (const QuarantinedJob& job : quarantined_jobs(queue_)) names += job.name + " ";
  EXPECT_EQ(names, "fspl-a.fspl fspl-b.fspl fspl-c.fspl fspl-0.fspl ");
  EXPECT_EQ(quarantined_jobs(queue_).at(1).report->reason, "x");
  EXPECT_EQ(quarantined_jobs(queue_).at(3).report, std::nullopt);
  EXPECT_EQ(read_report(queue_, quarantined_jobs(queue_).at(3)), "by hand");
}

TEST_F(QuarantinedTest, ArePutBackUnderTheirNames) {
  put_aside(name_, "r");
  EXPECT_EQ(put_back(queue_, only()), name_);
  EXPECT_EQ(read_file(queue_.job_path(name_)), "payload of fspl-a.fspl");
  EXPECT_EQ(list(folder_), "");
}

TEST_F(QuarantinedTest, OverwriteNothingWhenTheyArePutBack) {
  put_aside(name_, "r");
  put(name_, "another");
  const std::string name = put_back(queue_, only());
  EXPECT_TRUE(is_job_name(name));
  EXPECT_EQ(read_file(queue_.job_path(name)), "payload of fspl-a.fspl");
  EXPECT_EQ(read_file(queue_.job_path(name_)), "another");
  EXPECT_EQ(list(folder_), "");
}

// By a run that was killed before it had removed the job.
TEST_F(QuarantinedTest, ThatAreInBothPlacesAreInOneThen) {
  quarantine(queue_, name_, put(name_, "x"), "r");
  EXPECT_EQ(put_back(queue_, only()), name_);
  EXPECT_EQ(jobs(), name_);
  EXPECT_EQ(list(folder_), "");
}

TEST_F(QuarantinedTest, AreDroppedWithTheirReports) {
  put_aside(name_, "r");
  drop_quarantined(queue_, only());
  EXPECT_EQ(list(folder_), "");
  EXPECT_EQ(jobs(), "");
}

TEST_F(QuarantinedTest, ThatHaveChangedMeanwhileAreLeftAlone) {
  put_aside(name_, "r");
  QuarantinedJob job = only();
  job.id.inode += 1000000;
  EXPECT_THROW(put_back(queue_, job), Error);
  EXPECT_THROW(drop_quarantined(queue_, job), Error);
  EXPECT_EQ(list(folder_), "fspl-a.fspl fspl-a.fspl.report");
}

// A link, a FIFO: nothing that a report could be.
TEST_F(QuarantinedTest, NeverWaitForAReport) {
  put_aside(name_, "r");
  const std::string report = folder_ + "/" + name_ + ".report";
  ::unlink(report.c_str());
  ASSERT_EQ(::mkfifo(report.c_str(), 0600), 0);
  EXPECT_EQ(read_report(queue_, only()), "");
  ::unlink(report.c_str());
  ASSERT_EQ(::symlink((queue_.dir() + "/nextseq").c_str(), report.c_str()), 0);
  EXPECT_EQ(read_report(queue_, only()), "");
}

}  // namespace
}  // namespace penstock::spool
