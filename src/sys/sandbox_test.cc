#include "sys/sandbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>

namespace penstock::sys {
namespace {

// What a child says that has entered a sandbox: 0, or an errno.
class Sandboxes : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto gap = sandbox_gap()) GTEST_SKIP() << "NOT TESTED: " << *gap;
    std::string name =
        (std::filesystem::temp_directory_path() / "penstock-sandbox-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
    std::filesystem::create_directory(dir_ + "/scratch");
    ASSERT_GE(::close(::open((dir_ + "/file").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), 0);
  }
  void TearDown() override {
    if (!dir_.empty()) std::filesystem::remove_all(dir_);
  }

  static int told_inside(const Sandbox::Plan& plan, const std::function<bool()>& attempt) {
    const Sandbox sandbox(plan);
    const pid_t child = ::fork();
    if (child == 0) {
      if (sandbox.enter() != nullptr) ::_exit(255);
      errno = 0;
      ::_exit(attempt() ? 0 : errno);
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  static bool can_open(const std::string& path, int flags) {
    return ::open(path.c_str(), flags | O_CLOEXEC, 0600) >= 0;
  }
  static bool can_make_socket(int family) {
    return ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0;
  }

  std::string dir_;
};

TEST_F(Sandboxes, ReadingIsFreeAndWritingIsNot) {
  const auto tried = [&](int flags) {
    return told_inside({}, [&] { return can_open(dir_ + "/file", flags); });
  };
  EXPECT_EQ(tried(O_RDONLY), 0);
  EXPECT_EQ(tried(O_WRONLY), EACCES);
  EXPECT_EQ(tried(O_RDWR), EACCES);
  EXPECT_EQ(tried(O_RDONLY | O_TRUNC), EACCES);
  EXPECT_EQ(told_inside({}, [&] { return can_open(dir_ + "/new", O_WRONLY | O_CREAT); }), EACCES);
  EXPECT_EQ(told_inside({}, [] { return can_open("/dev/null", O_WRONLY); }), 0);
  EXPECT_EQ(told_inside({}, [&] { return ::chmod((dir_ + "/file").c_str(), 0777) == 0; }), EPERM);
  EXPECT_EQ(told_inside({}, [&] { return ::unlink((dir_ + "/file").c_str()) == 0; }), EACCES);
}

TEST_F(Sandboxes, BelowANamedDirectoryWritingIsFree) {
  const Sandbox::Plan plan{.may_write = {dir_ + "/scratch"}};
  EXPECT_EQ(told_inside(plan, [&] { return can_open(dir_ + "/scratch/new", O_WRONLY | O_CREAT); }),
            0);
  EXPECT_EQ(told_inside(plan, [&] { return can_open(dir_ + "/file", O_WRONLY); }), EACCES);
  EXPECT_THROW(Sandbox(Sandbox::Plan{.may_write = {dir_ + "/nowhere"}}), std::exception);
}

TEST_F(Sandboxes, SocketsAreThoseOfThePlan) {
  EXPECT_EQ(told_inside({}, [] { return can_make_socket(AF_UNIX); }), EACCES);
  EXPECT_EQ(told_inside({}, [] { return can_make_socket(AF_INET); }), EACCES);
  const Sandbox::Plan local{.sockets = Sockets::local, .may_write = {}};
  EXPECT_EQ(told_inside(local, [] { return can_make_socket(AF_UNIX); }), 0);
  EXPECT_EQ(told_inside(local, [] { return can_make_socket(AF_INET); }), EACCES);
  EXPECT_EQ(told_inside(local, [] { return can_make_socket(AF_INET6); }), EACCES);
}

TEST_F(Sandboxes, NothingIsTypedIntoTheTerminal) {
  EXPECT_EQ(told_inside({}, [] { return ::ioctl(0, TIOCSTI, "x") == 0; }), EPERM);
}

TEST_F(Sandboxes, AFileIsNotChangedThroughADescriptorToRead) {
  EXPECT_EQ(told_inside({},
                        [&] {
                          int flags = 0;
                          const int fd = ::open((dir_ + "/file").c_str(), O_RDONLY | O_CLOEXEC);
                          return fd >= 0 && ::ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
                        }),
            EPERM);
}

TEST_F(Sandboxes, OthersKeepTheirLimitsAndScheduling) {
  const pid_t other = ::getpid();
  rlimit limit{};
  EXPECT_EQ(told_inside({}, [&] { return ::prlimit(other, RLIMIT_NOFILE, nullptr, &limit) == 0; }),
            EPERM);
  EXPECT_EQ(told_inside({}, [&] { return ::getrlimit(RLIMIT_NOFILE, &limit) == 0; }), 0);
  cpu_set_t processors;
  ASSERT_EQ(::sched_getaffinity(0, sizeof processors, &processors), 0);
  EXPECT_EQ(
      told_inside({},
                  [&] { return ::sched_setaffinity(other, sizeof processors, &processors) == 0; }),
      EPERM);
  EXPECT_EQ(
      told_inside({}, [&] { return ::sched_setaffinity(0, sizeof processors, &processors) == 0; }),
      0);
  EXPECT_EQ(told_inside({}, [&] { return ::setpriority(PRIO_PROCESS, 0, 19) == 0; }), EPERM);
}

TEST_F(Sandboxes, NeitherNewNamespacesNorMemoryOfOthers) {
  EXPECT_EQ(told_inside({},
                        [] {
                          const long child =
                              ::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
                          if (child == 0) ::_exit(0);
                          return child > 0;
                        }),
            EPERM);
  EXPECT_EQ(told_inside({}, [] { return ::shmget(IPC_PRIVATE, 1, 0600) >= 0; }), EPERM);
  EXPECT_EQ(told_inside({}, [] { return ::msgget(IPC_PRIVATE, 0600) >= 0; }), EPERM);
}

TEST_F(Sandboxes, ChildrenAndThreadsAreAsEver) {
  EXPECT_EQ(told_inside({},
                        [] {
                          const pid_t child = ::fork();
                          if (child == 0) ::_exit(0);
                          int status = 1;
                          return ::waitpid(child, &status, 0) == child && status == 0;
                        }),
            0);
  EXPECT_EQ(told_inside({},
                        [] {
                          pthread_t thread{};
                          auto nothing = [](void*) -> void* { return nullptr; };
                          return ::pthread_create(&thread, nullptr, nothing, nullptr) == 0 &&
                                 ::pthread_join(thread, nullptr) == 0;
                        }),
            0);
}

TEST_F(Sandboxes, ASocketPairIsAStream) {
  const auto tried = [](int type) {
    return told_inside({}, [type] {
      int ends[2];
      return ::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) == 0;
    });
  };
  EXPECT_EQ(tried(SOCK_STREAM), 0);
  EXPECT_EQ(tried(SOCK_DGRAM), EACCES);
  EXPECT_EQ(tried(SOCK_SEQPACKET), EACCES);
}

TEST_F(Sandboxes, WhoEnteredOneStays) {
  const Sandbox wide({.may_write = {dir_ + "/scratch"}});
  EXPECT_EQ(told_inside({},
                        [&] {
                          wide.enter();
                          return can_open(dir_ + "/scratch/new", O_WRONLY | O_CREAT);
                        }),
            EACCES);
}

}  // namespace
}  // namespace penstock::sys
