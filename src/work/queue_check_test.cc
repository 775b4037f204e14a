#include "work/queue_check.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "spool/queue.h"

namespace penstock::work {
namespace {

// A queue as queue-init makes it, under a umask that is nobody's fault.
class QueueCheck : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "penstock-check-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    top_ = std::filesystem::canonical(name).string();
    queue_ = top_ + "/q";
    const mode_t before = ::umask(022);
    spool::Queue::init(queue_, {});
    ::umask(before);
  }
  void TearDown() override { std::filesystem::remove_all(top_); }

  void write(const std::string& name, mode_t mode = 0644) const {
    std::ofstream(queue_ + "/" + name) << "x";
    set_mode(name, mode);
  }
  void set_mode(const std::string& name, mode_t mode) const {
    ASSERT_EQ(::chmod((queue_ + "/" + name).c_str(), mode), 0);
  }
  // "kind path-in-the-queue, ..."
  std::string told() const {
    std::string all;
    for (const QueueWarning& warning : check_queue(queue_)) {
      const std::string path =
          warning.path.starts_with(queue_) ? warning.path.substr(queue_.size()) : "above";
      all += (all.empty() ? "" : ", ") + std::string(warning_name(warning.kind)) + " " + path;
    }
    return all;
  }

  std::string top_;
  std::string queue_;
};

TEST_F(QueueCheck, ANewQueueIsFine) {
  EXPECT_EQ(told(), "");
  write("jobs/fspl-a.fspl");
  EXPECT_EQ(told(), "");
}

TEST_F(QueueCheck, NoQueueIsAnError) {
  EXPECT_THROW(check_queue(top_ + "/nowhere"), Error);
}

TEST_F(QueueCheck, WhoMayWriteIsTold) {
  ASSERT_EQ(::chmod(top_.c_str(), 0777), 0);
  EXPECT_EQ(told(), "writable above");
  ASSERT_EQ(::chmod(top_.c_str(), 01777), 0);
  EXPECT_EQ(told(), "");
  set_mode("", 0770);
  EXPECT_EQ(told(), "writable ");
  set_mode("", 0755);
  set_mode("nextseq", 0664);
  set_mode("nextseq.lock", 0666);
  EXPECT_EQ(told(), "writable /nextseq, writable /nextseq.lock");
}

TEST_F(QueueCheck, AGroupMayHandInJobsIfNobodyCanReplaceThem) {
  set_mode("jobs", 0770);
  EXPECT_EQ(told(), "writable /jobs");
  set_mode("jobs", 01770);
  EXPECT_EQ(told(), "");
  set_mode("jobs", 01777);
  EXPECT_EQ(told(), "writable /jobs");
}

TEST_F(QueueCheck, JobsThatAreMoreThanOneThing) {
  write("jobs/fspl-a.fspl", 0666);
  write("jobs/fspl-b.fspl");
  write("jobs/not-a-job", 0666);
  ASSERT_EQ(::link((queue_ + "/jobs/fspl-b.fspl").c_str(), (top_ + "/b").c_str()), 0);
  ASSERT_EQ(::symlink((top_ + "/b").c_str(), (queue_ + "/jobs/fspl-c.fspl").c_str()), 0);
  ASSERT_EQ(::mkfifo((queue_ + "/jobs/fspl-d.fspl").c_str(), 0600), 0);
  EXPECT_EQ(told(),
            "writable /jobs/fspl-a.fspl, link /jobs/fspl-b.fspl, link /jobs/fspl-c.fspl, "
            "special /jobs/fspl-d.fspl");
}

TEST_F(QueueCheck, TheQuarantineIsConfidential) {
  std::filesystem::create_directories(queue_ + "/penstock/quarantine");
  set_mode("penstock", 0755);
  set_mode("penstock/quarantine", 0755);
  EXPECT_EQ(told(), "readable /penstock/quarantine");
  set_mode("penstock/quarantine", 0777);
  EXPECT_EQ(told(), "writable /penstock/quarantine") << "and that is enough";
  set_mode("penstock/quarantine", 0755);
  set_mode("penstock", 0700);
  EXPECT_EQ(told(), "");
  std::filesystem::remove_all(queue_ + "/penstock");
  write("penstock");
  EXPECT_EQ(told(), "special /penstock");
}

TEST_F(QueueCheck, AnotherOwnerIsTold) {
  if (::geteuid() != 0) GTEST_SKIP() << "NOT TESTED: needs files of another user, so root";
  write("jobs/fspl-a.fspl");
  ASSERT_EQ(::chown((queue_ + "/jobs/fspl-a.fspl").c_str(), 65534, 65534), 0);
  ASSERT_EQ(::chown((queue_ + "/nextseq").c_str(), 65534, 65534), 0);
  EXPECT_EQ(told(), "owner /nextseq, owner /jobs/fspl-a.fspl");
}

TEST_F(QueueCheck, ANameIsNotTakenForAnother) {
  // A job's name is shown as it is in `path`; whoever prints it escapes it.
  write("jobs/fspl-\x1b[2J.fspl", 0666);
  EXPECT_EQ(told(), "writable /jobs/fspl-\x1b[2J.fspl");
}

}  // namespace
}  // namespace penstock::work
