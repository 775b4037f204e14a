#include "spool/job_directory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "spool/support_test.h"
#include "sys/files.h"

namespace penstock::spool {
namespace {

using namespace testing;
using Why = NoJobFile::Why;
using Removal = JobDirectory::Removal;

class JobDirectoryTest : public ::testing::Test {
 protected:
  JobDirectoryTest() { ::mkdir(scratch_.path("jobs").c_str(), 0777); }

  std::string path(const std::string& name) const { return scratch_.path("jobs/" + name); }
  JobDirectory jobs() const { return JobDirectory(scratch_.path("jobs")); }
  JobFile opened(const std::string& name) const { return std::get<JobFile>(jobs().open(name)); }
  // "not_a_file: is a FIFO"
  std::string refusal(const std::string& name) const {
    const auto found = jobs().open(name);
    const auto* none = std::get_if<NoJobFile>(&found);
    if (none == nullptr) return "a job";
    const char* why = none->why == Why::vanished     ? "vanished"
                      : none->why == Why::not_a_file ? "not_a_file"
                                                     : "unreadable";
    return std::string(why) + ": " + none->reason;
  }
  const Scratch scratch_;
  const std::string name_ = "fspl-a.fspl";
};

TEST(IsJobName, IsWhatFsplTakesForOne) {
  for (const char* name : {"fspl-.fspl", "fspl-a.fspl", "fspl-\n \xff.fspl", "fspl-..fspl"}) {
    EXPECT_TRUE(is_job_name(name)) << name;
  }
  for (const char* name : {"fspl.fspl", "FSPL-a.fspl", "fspl-a.FSPL", "tmp-fspl-a.fspl.tmp",
                           ".fspl-a.fspl", "fspl-a.fspl.out", "fspl-fspl", "", "fspl-"}) {
    EXPECT_FALSE(is_job_name(name)) << name;
  }
}

TEST_F(JobDirectoryTest, ListsJobNamesAndTemporaries) {
  for (const char* name :
       {"fspl-2.fspl", "fspl-1.fspl", "tmp-fspl-3.fspl.tmp", "fspl-4.fspl.out"}) {
    write_file(path(name), "x");
  }
  auto names = jobs().list();
  std::ranges::sort(names.jobs);
  EXPECT_EQ(names.jobs, (std::vector<std::string>{"fspl-1.fspl", "fspl-2.fspl"}));
  EXPECT_EQ(names.temporaries, (std::vector<std::string>{"tmp-fspl-3.fspl.tmp"}));
}

TEST_F(JobDirectoryTest, OpensAFileAtItsStartForReadingOnly) {
  write_file(path(name_), "payload");
  const JobFile job = opened(name_);
  EXPECT_EQ(sys::read_small_file(job.fd.get(), 99, "x"), "payload");
  EXPECT_EQ(::lseek(job.fd.get(), 0, SEEK_CUR), 0);
  EXPECT_EQ(::fcntl(job.fd.get(), F_GETFL) & O_ACCMODE, O_RDONLY);
  EXPECT_NE(::fcntl(job.fd.get(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(job.id.size, 7U);
}

TEST_F(JobDirectoryTest, FollowsLinksToFiles) {
  write_file(scratch_.path("real"), "x");
  ASSERT_EQ(::symlink("../real", path(name_).c_str()), 0);
  EXPECT_EQ(opened(name_).id, FileIdentity::of(*sys::status_of_path(scratch_.path("real"))));
}

TEST_F(JobDirectoryTest, TellsAChangedFileFromTheOldOne) {
  write_file(path(name_), "x");
  const FileIdentity before = opened(name_).id;
  EXPECT_EQ(opened(name_).id, before);
  write_file(path(name_), "yy");
  EXPECT_NE(opened(name_).id, before);
  EXPECT_TRUE(opened(name_).id.same_file(before));
  write_file(path("new"), "x");
  ASSERT_EQ(::rename(path("new").c_str(), path(name_).c_str()), 0);
  EXPECT_FALSE(opened(name_).id.same_file(before));
}

TEST_F(JobDirectoryTest, D23_NeverWaitsForAFifoOrItsKin) {
  ASSERT_EQ(::mkfifo(path(name_).c_str(), 0666), 0);
  EXPECT_EQ(refusal(name_), "not_a_file: is a FIFO");
  ASSERT_EQ(::mkdir(path("fspl-d.fspl").c_str(), 0777), 0);
  EXPECT_EQ(refusal("fspl-d.fspl"), "not_a_file: is a directory");
  ASSERT_EQ(::symlink("/dev/zero", path("fspl-z.fspl").c_str()), 0);
  EXPECT_EQ(refusal("fspl-z.fspl"), "not_a_file: is a device");
  const sys::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  std::strncpy(address.sun_path, path("fspl-s.fspl").c_str(), sizeof(address.sun_path) - 1);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(refusal("fspl-s.fspl"), "not_a_file: is a socket or a device without driver");
}

TEST_F(JobDirectoryTest, D07_SaysWhyAFileCannotBeRead) {
  EXPECT_EQ(refusal("fspl-gone.fspl"), "vanished: ");
  ASSERT_EQ(::symlink("nowhere", path("fspl-n.fspl").c_str()), 0);
  EXPECT_EQ(refusal("fspl-n.fspl"), "unreadable: symbolic link to nothing");
  ASSERT_EQ(::symlink("fspl-l.fspl", path("fspl-l.fspl").c_str()), 0);
  EXPECT_EQ(refusal("fspl-l.fspl"), "unreadable: Too many levels of symbolic links");
  write_file(path(name_), "x");
  ::chmod(path(name_).c_str(), 0);
  EXPECT_TRUE(as_nobody([&] { return refusal(name_) == "unreadable: Permission denied"; }));
}

TEST_F(JobDirectoryTest, RemovesTheFileThatRanAndNoOther) {
  write_file(path(name_), "x");
  const FileIdentity id = opened(name_).id;
  write_file(path("new"), "x");
  ASSERT_EQ(::rename(path("new").c_str(), path(name_).c_str()), 0);
  EXPECT_EQ(jobs().remove(name_, id), Removal::changed);
  EXPECT_TRUE(exists(path(name_)));
  EXPECT_EQ(jobs().remove(name_, opened(name_).id), Removal::removed);
  EXPECT_FALSE(exists(path(name_)));
  EXPECT_EQ(jobs().remove(name_, id), Removal::vanished);
}

TEST_F(JobDirectoryTest, LeavesAFileThatWasWrittenToMeanwhile) {
  write_file(path(name_), "x");
  const FileIdentity id = opened(name_).id;
  write_file(path(name_), "more");
  EXPECT_EQ(jobs().remove(name_, id), Removal::changed);
}

TEST_F(JobDirectoryTest, RemovesTheLinkAndNotItsEnd) {
  write_file(scratch_.path("real"), "x");
  ASSERT_EQ(::symlink("../real", path(name_).c_str()), 0);
  const FileIdentity id = opened(name_).id;
  EXPECT_EQ(jobs().remove(name_, id), Removal::removed);
  EXPECT_TRUE(exists(scratch_.path("real")));
  ASSERT_EQ(::symlink("../real", path(name_).c_str()), 0);
  ::unlink(scratch_.path("real").c_str());  // as a command may
  EXPECT_EQ(jobs().remove(name_, id), Removal::removed);
}

TEST_F(JobDirectoryTest, D12_KnowsBeforehandWhatItMayNotRemove) {
  write_file(path(name_), "x");
  jobs().check_removable(name_);
  const auto refused = [&](int errnum) {
    return as_nobody([&] {
      try {
        jobs().check_removable(name_);
      } catch (const Error& error) {
        return error.is(errnum) && ::unlink(path(name_).c_str()) != 0;
      }
      return errnum == 0;
    });
  };
  if (::geteuid() != 0) GTEST_SKIP() << "NOT TESTED: needs another user's directory, so root";
  ::chmod(scratch_.path("jobs").c_str(), 0777);
  EXPECT_TRUE(refused(0));
  ::chmod(scratch_.path("jobs").c_str(), 01777);  // sticky, and the file is root's
  EXPECT_TRUE(refused(EPERM));
  ::chmod(scratch_.path("jobs").c_str(), 0755);
  EXPECT_TRUE(refused(EACCES));
}

TEST_F(JobDirectoryTest, IsAnErrorWhereThereIsNone) {
  EXPECT_THROW(JobDirectory(scratch_.path("nothing")), Error);
}

}  // namespace
}  // namespace penstock::spool
