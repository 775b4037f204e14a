#include "spool/queue.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "spool/run_record.h"
#include "spool/sequence_file.h"
#include "spool/support_test.h"
#include "sys/files.h"

namespace penstock::spool {
namespace {

using namespace testing;

class QueueTest : public ::testing::Test {
 protected:
  std::string mode(const std::string& name) const {
    char text[8];
    std::snprintf(text, sizeof(text), "%o",
                  sys::status_of_path(dir_ + name).value().st_mode & 07777U);
    return text;
  }
  const Scratch scratch_;
  const std::string dir_ = scratch_.path("q");
  const Queue queue_{dir_};
};

TEST_F(QueueTest, MakesPathsByPlainConcatenation) {
  EXPECT_EQ(Queue("q/").job_path("fspl-a.fspl"), "q//jobs/fspl-a.fspl");
  EXPECT_EQ(Queue("q").sequence_path(), "q/nextseq");
}

TEST_F(QueueTest, IsMadeAsFsplMakesIt) {
  const auto made = Queue::init(dir_, {});
  EXPECT_EQ(made, (std::vector<std::string>{dir_, dir_ + "/jobs", dir_ + "/nextseq",
                                            dir_ + "/nextseq.lock"}));
  EXPECT_EQ(list(dir_), "jobs nextseq nextseq.lock");
  EXPECT_EQ(read_file(dir_ + "/nextseq"), "1\n");
  EXPECT_EQ(read_file(dir_ + "/nextseq.lock"), "");
}

TEST_F(QueueTest, FollowsTheUmaskUnlessPrivate) {
  const mode_t before = ::umask(027);
  Queue::init(dir_, {});
  EXPECT_EQ(mode("") + " " + mode("/jobs") + " " + mode("/nextseq") + " " + mode("/nextseq.lock"),
            "750 750 640 640");
  ::umask(022);
  Queue::init(dir_ + "2", {.private_mode = true});
  ::umask(before);
  EXPECT_EQ(
      mode("2") + " " + mode("2/jobs") + " " + mode("2/nextseq") + " " + mode("2/nextseq.lock"),
      "700 700 600 600");
}

TEST_F(QueueTest, LeavesWhatExistsAlone) {
  Queue::init(dir_, {});
  EXPECT_THROW(Queue::init(dir_, {}), Error);
  EXPECT_THROW(Queue::init(dir_, {.append_only = true}), Error);
  EXPECT_EQ(list(dir_), "jobs nextseq nextseq.lock");
  EXPECT_THROW(Queue::init(scratch_.path("x/y"), {}), Error);
  EXPECT_FALSE(exists(scratch_.path("x")));
  write_file(scratch_.path("f"), "x");
  EXPECT_THROW(Queue::init(scratch_.path("f"), {}), Error);
  EXPECT_THROW(Queue::init(scratch_.path("f"), {.repair = true}), Error);
  try {
    Queue::init(dir_, {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_TRUE(error.is(EEXIST));
  }
  EXPECT_EQ(read_file(scratch_.path("f")), "x");
}

TEST_F(QueueTest, LeavesNothingBehindWhenItCannotBeMade) {
  EXPECT_TRUE(as_nobody([&] {
    ::umask(0777);  // the first directory is made, and nothing can be made in it
    try {
      Queue::init(dir_, {});
    } catch (const Error&) {
      return !exists(dir_);
    }
    return false;
  }));
}

TEST_F(QueueTest, TakesAPathThatEndsInASlash) {
  Queue::init(dir_ + "//", {});
  EXPECT_EQ(list(dir_), "jobs nextseq nextseq.lock");
}

TEST_F(QueueTest, AppendOnlyHasNoLock) {
  Queue::init(dir_, {.append_only = true});
  EXPECT_EQ(list(dir_), "jobs");
  EXPECT_THROW(queue_.lock(), Error);
  EXPECT_EQ(queue_.jobs().list().jobs.size(), 0U);
  EXPECT_EQ(list(dir_), "jobs");
}

TEST_F(QueueTest, D32_RepairMakesOnlyWhatIsMissing) {
  Queue::init(dir_, {.append_only = true});
  write_file(queue_.job_path("fspl-a.fspl"), "x");
  EXPECT_EQ(Queue::init(dir_, {.repair = true}),
            (std::vector<std::string>{dir_ + "/nextseq", dir_ + "/nextseq.lock"}));
  write_file(queue_.sequence_path(), "7\n");
  ::rmdir((dir_ + "/jobs").c_str());
  ::unlink((dir_ + "/nextseq.lock").c_str());
  EXPECT_EQ(Queue::init(dir_, {.repair = true}),
            (std::vector<std::string>{dir_ + "/nextseq.lock"}));
  EXPECT_EQ(read_file(queue_.sequence_path()), "7\n");
  EXPECT_EQ(list(dir_ + "/jobs"), "fspl-a.fspl");
}

TEST_F(QueueTest, D17_AMissingNumberIsNotTakenForOne) {
  Queue::init(dir_, {});
  ::unlink(queue_.sequence_path().c_str());
  EXPECT_THROW(SequenceFile::open(*queue_.lock()), Error);
  EXPECT_FALSE(exists(queue_.sequence_path()));
}

TEST_F(QueueTest, D16_SetNextRepairsAndForgetsTheLastRun) {
  Queue::init(dir_, {});
  for (const char* broken : std::initializer_list<const char*>{"abc\n", "", nullptr}) {
    ::unlink(queue_.sequence_path().c_str());
    if (broken != nullptr) write_file(queue_.sequence_path(), broken);
    const auto lock = queue_.lock();
    write_run_record(lock->fd(), RunRecord::of_this_process(1, 2), Durable::no);
    Queue::set_next(*lock, 9);
    EXPECT_EQ(read_file(queue_.sequence_path()), "9\n");
    EXPECT_EQ(read_file(dir_ + "/nextseq.lock"), "");
  }
}

TEST_F(QueueTest, FsplWorksWithAQueueOfOursAndWeWithItsOwn) {
  PENSTOCK_NEEDS_FSPL();
  Queue::init(dir_, {});
  EXPECT_EQ(shell("fspl queue-set-next -q " + dir_ + " 5; fspl queue-get-next -q " + dir_).out,
            "5\n");
  EXPECT_EQ(shell("fspl prepare-nop -s - | fspl queue-write -q " + dir_).status, 0);
  EXPECT_EQ(queue_.jobs().list().jobs.size(), 1U);
  {
    const auto lock = queue_.lock();
    EXPECT_EQ(SequenceFile::open(*lock).read(), 5U);
    EXPECT_EQ(shell("fspl queue-process -q " + dir_ + " true").status, 1);  // we hold it
    SequenceFile::open(*lock).write(1);
  }
  EXPECT_EQ(shell("fspl queue-process -q " + dir_ + " true").status, 0);
  EXPECT_EQ(read_sequence_unlocked(queue_.sequence_path()), 2U);
  EXPECT_EQ(queue_.jobs().list().jobs.size(), 0U);
  EXPECT_EQ(shell("fspl queue-init -q " + dir_ + "2").status, 0);
  EXPECT_EQ(SequenceFile::open(*Queue(dir_ + "2").lock()).read(), 1U);
}

TEST_F(QueueTest, IsBusyWhileFsplRunsAJob) {
  PENSTOCK_NEEDS_FSPL();
  Queue::init(dir_, {});
  const std::string ready = scratch_.path("ready");
  const std::string go = scratch_.path("go");
  ASSERT_EQ(::mkfifo(ready.c_str(), 0666), 0);
  ASSERT_EQ(::mkfifo(go.c_str(), 0666), 0);
  write_file(scratch_.path("job.sh"), "#!/bin/bash\necho > " + ready + "\nread < " + go + "\n");
  ::chmod(scratch_.path("job.sh").c_str(), 0755);
  ASSERT_EQ(shell("fspl prepare -s - | fspl queue-write -q " + dir_).status, 0);
  FILE* run =
      ::popen(("fspl queue-process -q " + dir_ + " " + scratch_.path("job.sh")).c_str(), "re");
  read_file(ready);
  EXPECT_FALSE(queue_.lock());
  EXPECT_EQ(describe_holder(queue_.sequence_path()), "held by another process");
  EXPECT_EQ(read_sequence_unlocked(queue_.sequence_path()), 1U);  // D31
  write_file(go, "\n");
  EXPECT_EQ(::pclose(run), 0);
  EXPECT_TRUE(queue_.lock());
}

}  // namespace
}  // namespace penstock::spool
