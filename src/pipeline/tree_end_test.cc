#include "pipeline/tree_end.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <optional>

#include "sys/files.h"

namespace penstock::pipeline {
namespace {

using namespace std::chrono_literals;

// A job of some processes that sleep, and a machine that may run short of descriptors.
class TreeEndTest : public testing::Test {
 protected:
  void start(int count) {
    for (int i = 0; i < count; ++i) {
      const pid_t pid = ::fork();
      if (pid == 0) {
        for (;;) ::pause();
      }
      pids_.push_back(pid);
      plan_.tree.stages.push_back({.pid = pid, .start_time = procfs::read_stat(pid)->start_time});
    }
    plan_.root = ::getpid();
  }
  void TearDown() override {
    give_back();
    for (const pid_t pid : pids_) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
    }
  }

  // Takes all descriptors but `left`. (With none at all ubsan takes an exception for a bad object,
  // and says so: it would need a pipe to look at it.)
  void take_all_but(size_t left) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    if (!usual_) usual_ = limit;
    limit.rlim_cur = 256;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    const sys::UniqueFd null = sys::open_dev_null(O_RDONLY);
    for (int fd = 0; (fd = ::fcntl(null.get(), F_DUPFD_CLOEXEC, 0)) >= 0;) taken_.emplace_back(fd);
    taken_.resize(taken_.size() - left + 1);  // `null` is one of those that are left
  }
  void give_back() {
    taken_.clear();
    if (usual_) ::setrlimit(RLIMIT_NOFILE, &*usual_);
  }

  void begin_end() {
    end_ = std::make_unique<TreeEnd>(
        loop_, std::move(plan_),
        TreeEnd::Hooks{.ended = [this] { ended_ = true; },
                       .stuck = [this](pid_t, const std::string& words) { stuck_ = words; }});
  }
  // Whether it has ended by then.
  bool ends_within(std::chrono::milliseconds time) {
    time_is_up_ = false;
    timer_.set(time);
    loop_.run_until([this] { return ended_ || time_is_up_; });
    return ended_;
  }
  size_t living() const {
    size_t count = 0;
    for (const pid_t pid : pids_) {
      if (procfs::read_stat(pid)->state != 'Z') ++count;
    }
    return count;
  }
  const std::string& stuck() const { return stuck_; }

 private:
  sys::EventLoop loop_;
  bool time_is_up_ = false;
  sys::Timer timer_{loop_, [this] { time_is_up_ = true; }};
  TreeEnd::Plan plan_;
  std::vector<pid_t> pids_;
  std::vector<sys::UniqueFd> taken_;
  std::optional<rlimit> usual_;
  bool ended_ = false;
  std::string stuck_;
  std::unique_ptr<TreeEnd> end_;
};

TEST_F(TreeEndTest, KillsAllAndSaysSo) {
  start(3);
  begin_end();
  EXPECT_TRUE(ends_within(10s));
  EXPECT_EQ(living(), 0U);
}

TEST_F(TreeEndTest, EndsATreeThatHasMoreProcessesThanWeHaveDescriptors) {
  start(30);
  EXPECT_FALSE(ends_within(1ms));  // makes the timer of this test
  take_all_but(8);
  begin_end();
  EXPECT_TRUE(ends_within(20s));
  give_back();
  EXPECT_EQ(living(), 0U);
}

TEST_F(TreeEndTest, IsNotOverWhileItCannotLookAtAnybody) {
  start(3);
  EXPECT_FALSE(ends_within(1ms));
  begin_end();
  take_all_but(0);
  EXPECT_FALSE(ends_within(300ms));
  EXPECT_EQ(stuck(), "");
  EXPECT_FALSE(ends_within(3s));
  EXPECT_NE(stuck().find("its input stays shut"), std::string::npos) << stuck();
  give_back();
  EXPECT_EQ(living(), 3U);  // stopped; nobody is killed before all were seen
  EXPECT_TRUE(ends_within(10s));
  EXPECT_EQ(living(), 0U);
}

}  // namespace
}  // namespace penstock::pipeline
