// Snapshots of processes that this test makes, in the live /proc.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>

#include "base/error.h"
#include "procfs/probe.h"
#include "procfs/reader.h"
#include "procfs/testing.h"
#include "sys/files.h"
#include "sys/pipe.h"

namespace penstock::procfs {
namespace {

using namespace std::chrono_literals;

// A child that runs `body` and ends; killed, if need be, and reaped at the end.
class Child {
 public:
  explicit Child(const std::function<void()>& body) : pid_(::fork()) {
    if (pid_ != 0) return;
    body();
    ::_exit(0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

Snapshot look_at(std::set<pid_t> pids) {
  return take_snapshot({}, [&](const Snapshot&) { return pids; });
}

Task first_task(const Snapshot& snapshot, pid_t pid) {
  const Process* process = snapshot.find(pid);
  return process == nullptr || process->tasks.empty() ? Task() : process->tasks.front();
}

// Looks until the process sleeps in such a call; the kernel says when that is, so nothing else can
// be waited for.
Snapshot when_asleep_in(Call call, pid_t pid) {
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  for (;;) {
    Snapshot snapshot = look_at({pid});
    const Task task = first_task(snapshot, pid);
    const bool told = task.state == 'S' && task.syscall && !task.syscall->running;
    if (told && task.syscall->call == call) return snapshot;
    if (std::chrono::steady_clock::now() > deadline) {
      ADD_FAILURE() << "process " << pid << " does not sleep in " << name_of(call);
      return snapshot;
    }
    std::this_thread::yield();
  }
}

const Descriptor* descriptor(const Snapshot& snapshot, pid_t pid, int fd) {
  const Process* process = snapshot.find(pid);
  if (process == nullptr || !process->descriptors) return nullptr;
  const auto found = std::ranges::find(*process->descriptors, fd, &Descriptor::fd);
  return found == process->descriptors->end() ? nullptr : &*found;
}

bool is_syscall_told() {
  return ::access("/proc/self/syscall", R_OK) == 0;
}

class LiveProc : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!is_syscall_told()) GTEST_SKIP() << "/proc/PID/syscall is not there";
  }
};

void write_for_ever(int fd) {
  const std::string block(1 << 16, 'x');
  while (::write(fd, block.data(), block.size()) > 0) {
  }
}

TEST_F(LiveProc, SeesAWriterAsleepOnAFullPipe) {
  sys::Pipe pipe = sys::Pipe::make();
  const ino_t inode = sys::inode_of(pipe.read.get());
  const Child writer([&] {
    pipe.read.reset();
    write_for_ever(pipe.write.get());
  });
  pipe.write.reset();
  const Snapshot snapshot = when_asleep_in(Call::write, writer.pid());
  const Process* process = snapshot.find(writer.pid());
  ASSERT_NE(process, nullptr);
  EXPECT_TRUE(process->looked_at);
  EXPECT_EQ(process->user, ::geteuid());
  const Task task = first_task(snapshot, writer.pid());
  EXPECT_TRUE(!task.wchan || task.wchan->find("pipe_write") != std::string::npos);
  ASSERT_TRUE(task.syscall);
  const auto fd = static_cast<int>(task.syscall->arguments[0]);
  ASSERT_NE(descriptor(snapshot, writer.pid(), fd), nullptr);
  EXPECT_EQ(descriptor(snapshot, writer.pid(), fd)->inode, inode);
  EXPECT_TRUE(descriptor(snapshot, writer.pid(), fd)->writes);
  const PipeFacts expected{.inode = inode,
                           .capacity = 65536,
                           .queued = 65536,
                           .writable = false,
                           .has_writer = true,
                           .has_reader = true,
                           .owner = ::geteuid()};
  EXPECT_EQ(snapshot.pipes.at(inode), expected);
  EXPECT_EQ(probe_pipe({}, snapshot, inode), expected);
}

TEST_F(LiveProc, SeesThatNoWriterIsLeft) {
  sys::Pipe pipe = sys::Pipe::make();
  const ino_t inode = sys::inode_of(pipe.read.get());
  ASSERT_EQ(::write(pipe.write.get(), "abc", 3), 3);
  pipe.write.reset();
  const PipeFacts facts = look_at({::getpid()}).pipes.at(inode);
  EXPECT_EQ(facts.has_writer, false);
  EXPECT_EQ(facts.has_reader, true);
  EXPECT_EQ(facts.queued, 3U);
  EXPECT_FALSE(facts.writable);
}

TEST_F(LiveProc, SeesThatNoReaderIsLeft) {
  sys::Pipe pipe = sys::Pipe::make();
  const ino_t inode = sys::inode_of(pipe.read.get());
  pipe.read.reset();
  const PipeFacts facts = look_at({::getpid()}).pipes.at(inode);
  EXPECT_EQ(facts.has_writer, true);
  EXPECT_EQ(facts.has_reader, false);
}

// A write end in flight in a UNIX socket is in no table.
TEST_F(LiveProc, KnowsOfAWriterThatNoTableShows) {
  sys::Pipe pipe = sys::Pipe::make();
  const ino_t inode = sys::inode_of(pipe.read.get());
  std::array<int, 2> sockets{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()), 0);
  const sys::UniqueFd one(sockets[0]);
  const sys::UniqueFd two(sockets[1]);
  char byte = 'x';
  iovec data{.iov_base = &byte, .iov_len = 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{.msg_iov = &data,
                 .msg_iovlen = 1,
                 .msg_control = control.data(),
                 .msg_controllen = control.size()};
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int fd = pipe.write.get();
  std::memcpy(CMSG_DATA(header), &fd, sizeof(fd));
  ASSERT_EQ(::sendmsg(one.get(), &message, 0), 1);
  pipe.write.reset();
  const PipeFacts facts = look_at({::getpid()}).pipes.at(inode);
  EXPECT_EQ(facts.has_writer, true);
  EXPECT_EQ(facts.writable, true);
}

TEST_F(LiveProc, ReadsThePathOfAFifoThatIsBeingOpened) {
  testing::RecordedTree folder;  // just for the folder
  const std::string path = (folder.root() / "a fifo\n").string();
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const Child child([&] { static_cast<void>(::open(path.c_str(), O_RDONLY | O_CLOEXEC)); });
  const Snapshot snapshot = when_asleep_in(Call::open, child.pid());
  EXPECT_EQ(first_task(snapshot, child.pid()).opening, path);
}

TEST_F(LiveProc, TellsANamedPipeFromAFileAndAsksIt) {
  testing::RecordedTree folder;
  const std::string path = (folder.root() / "fifo").string();
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const sys::UniqueFd reader = sys::open_file(path, O_RDONLY | O_NONBLOCK);
  sys::UniqueFd writer = sys::open_file(path, O_WRONLY | O_NONBLOCK);
  const Snapshot snapshot = look_at({::getpid()});
  const Descriptor* end = descriptor(snapshot, ::getpid(), writer.get());
  ASSERT_NE(end, nullptr);
  if (end->kind == FileKind::path) GTEST_SKIP() << "on a file system that is not asked";
  EXPECT_EQ(end->kind, FileKind::fifo);
  EXPECT_EQ(end->inode, sys::inode_of(writer.get()));
  EXPECT_TRUE(end->writes && !end->reads);
  EXPECT_EQ(snapshot.pipes.at(end->inode).has_reader, true);
  writer.reset();
  const PipeFacts facts = look_at({::getpid()}).pipes.at(sys::inode_of(reader.get()));
  EXPECT_FALSE(facts.has_writer) << "cannot be told of a named pipe";
  EXPECT_NE(facts.refused, "");
}

TEST_F(LiveProc, ReadsTheTextOfAGate) {
  const sys::UniqueFd gate = sys::make_memfd("penstock-gate:7");
  sys::write_all(gate.get(), std::string_view("penstock-gate 1\n"), "gate");
  const Snapshot snapshot = look_at({});
  const Descriptor* seen = descriptor(snapshot, ::getpid(), gate.get());
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->content, "penstock-gate 1\n");
  EXPECT_FALSE(snapshot.find(::getpid())->looked_at);
}

TEST_F(LiveProc, KnowsHowAZombieEnded) {
  sys::Pipe pipe = sys::Pipe::make();
  const Child child([&] { ::_exit(3); });
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child.pid()), &info, WEXITED | WNOWAIT), 0);
  const Snapshot snapshot = look_at({child.pid()});
  const Process* process = snapshot.find(child.pid());
  ASSERT_NE(process, nullptr);
  EXPECT_TRUE(process->is_zombie());
  ASSERT_TRUE(process->exit_status);
  EXPECT_EQ(WEXITSTATUS(*process->exit_status), 3);
}

TEST_F(LiveProc, ToldOfEveryThread) {
  sys::Pipe pipe = sys::Pipe::make();
  sys::Pipe stop = sys::Pipe::make();
  std::atomic<pid_t> tid = 0;
  std::jthread sleeper([&] {
    tid = ::gettid();
    char byte = 0;
    EXPECT_EQ(::read(stop.read.get(), &byte, 1), 0);
  });
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  bool seen = false;
  while (!seen && std::chrono::steady_clock::now() < deadline) {
    const Snapshot snapshot = look_at({::getpid()});
    // A sanitizer may have threads of its own here.
    for (const Task& task : snapshot.find(::getpid())->tasks) {
      seen |= task.tid == tid && task.syscall && task.syscall->call == Call::read &&
              task.syscall->arguments[0] == static_cast<uint64_t>(stop.read.get());
    }
  }
  EXPECT_TRUE(seen);
  stop.write.reset();  // lets the thread end
}

TEST_F(LiveProc, KnowsForHowLongItHasSlept) {
  if (::access("/proc/self/sched", R_OK) != 0) GTEST_SKIP() << "/proc/PID/sched is not there";
  const auto begin = std::chrono::steady_clock::now();
  std::vector<std::unique_ptr<Child>> sleepers;
  sys::Pipe pipe = sys::Pipe::make();
  cpu_set_t home;
  ASSERT_EQ(::sched_getaffinity(0, sizeof home, &home), 0);
  for (size_t processor = 0; processor < CPU_SETSIZE && sleepers.size() < 8; ++processor) {
    if (!CPU_ISSET(processor, &home)) continue;
    sleepers.push_back(std::make_unique<Child>([&] {
      cpu_set_t here;
      CPU_ZERO(&here);
      CPU_SET(processor, &here);
      ::sched_setaffinity(0, sizeof here, &here);
      char byte = 0;
      static_cast<void>(!::read(pipe.read.get(), &byte, 1));
    }));
  }
  for (const auto& sleeper : sleepers) {
    const auto asleep = std::chrono::steady_clock::now();
    const Task task = first_task(when_asleep_in(Call::read, sleeper->pid()), sleeper->pid());
    const std::chrono::duration<double> most = std::chrono::steady_clock::now() - begin;
    constexpr double kTick = 0.05;
    ASSERT_TRUE(task.idle_s);
    EXPECT_LE(*task.idle_s, most.count() + kTick);
    // And once more, after a while.
    const Task later = first_task(look_at({sleeper->pid()}), sleeper->pid());
    const std::chrono::duration<double> least = std::chrono::steady_clock::now() - asleep;
    ASSERT_TRUE(later.idle_s);
    EXPECT_GE(*later.idle_s + kTick, *task.idle_s);
    EXPECT_LE(*later.idle_s, most.count() + least.count() + kTick);
  }
  cpu_set_t now;
  ASSERT_EQ(::sched_getaffinity(0, sizeof now, &now), 0);
  EXPECT_TRUE(CPU_EQUAL(&home, &now)) << "we are back at home";
}

// A sleeper with two pipes of its own: it reads from the one, and nobody asks for the other.
class StillPipe : public LiveProc {
 protected:
  StillPipe() {
    inode_ = sys::inode_of(busy_.read.get());
    spare_inode_ = sys::inode_of(spare_.read.get());
    // A program that has one thread, whatever a sanitizer makes of ours.
    sleeper_.emplace([this] {
      ::dup2(busy_.read.get(), STDIN_FILENO);
      ::dup2(::open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
      for (const int end : {spare_.read.get(), spare_.write.get()}) ::fcntl(end, F_SETFD, 0);
      ::execlp("cat", "cat", nullptr);
    });
    spare_ = {};
    before_ = when_asleep_in(Call::read, sleeper_->pid());
    // By which it is seen whether they are asked again.
    before_.pipes.at(inode_).queued = 77;
    before_.pipes.at(spare_inode_).queued = 77;
  }
  Snapshot look() {
    return take_snapshot(
        {}, [&](const Snapshot&) { return std::set<pid_t>{sleeper_->pid()}; }, &before_);
  }

  sys::Pipe busy_ = sys::Pipe::make();
  sys::Pipe spare_ = sys::Pipe::make();
  ino_t inode_ = 0;
  ino_t spare_inode_ = 0;
  std::optional<Child> sleeper_;
  Snapshot before_;
};

TEST_F(StillPipe, IsAskedAgainIfSomebodyAwakeHoldsIt) {
  const Snapshot now = look();
  EXPECT_EQ(now.pipes.at(inode_).queued, 0U) << "we hold it, too, and it is slept on";
  EXPECT_EQ(now.pipes.at(spare_inode_).queued, 77U);
}

TEST_F(StillPipe, IsAskedAgainIfTheSleeperHasRun) {
  ASSERT_EQ(::write(busy_.write.get(), "x", 1), 1);
  const uint64_t switches = *before_.find(sleeper_->pid())->tasks.front().voluntary_switches;
  Snapshot now = when_asleep_in(Call::read, sleeper_->pid());
  while (*now.find(sleeper_->pid())->tasks.front().voluntary_switches == switches) {
    now = when_asleep_in(Call::read, sleeper_->pid());
  }
  EXPECT_EQ(look().pipes.at(spare_inode_).queued, 0U);
}

// The kernel holds up every lock of the machine while it tells of them.
TEST(Locks, AreAskedForOnceMoreOnlyIfSomebodyWaited) {
  const sys::UniqueFd file(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  ASSERT_TRUE(file);
  ASSERT_EQ(::flock(file.get(), LOCK_EX), 0);
  struct stat status {};
  ASSERT_EQ(::fstat(file.get(), &status), 0);
  const auto tells = [&](const Snapshot& snapshot) {
    return std::ranges::any_of(snapshot.locks,
                               [&](const FileLock& row) { return row.inode == status.st_ino; });
  };
  const auto nobody = [](const Snapshot&) { return std::set<pid_t>(); };
  Snapshot before = take_snapshot({}, nobody);
  ASSERT_TRUE(tells(before));
  std::erase_if(before.locks, [](const FileLock& row) { return row.waits; });
  Snapshot now = take_snapshot({}, nobody, &before);
  EXPECT_FALSE(tells(now)) << "nobody waited";
  EXPECT_TRUE(tells(take_snapshot({}, nobody, &now))) << "left out twice";
  before.locks.push_back({.waits = true});
  EXPECT_TRUE(tells(take_snapshot({}, nobody, &before))) << "somebody waited";
}

TEST_F(LiveProc, AnOrdinaryUserIsToldWhyAPipeIsNotAsked) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to be somebody else";
  const sys::Pipe pipe = sys::Pipe::make();
  const ino_t inode = sys::inode_of(pipe.read.get());
  // In a child: it made nothing of this, and may look at itself only.
  const Child child([&] {
    if (::setresuid(65534, 65534, 65534) != 0) ::_exit(1);
    // Whoever changed users may not be looked at, even by himself, until he executes something.
    PipeHolders holders;
    const sys::UniqueFd proc(::open("/proc", O_PATH | O_CLOEXEC));
    holders.writers.push_back({.pid = ::getpid(), .fd = pipe.write.get()});
    const PipeFacts facts = probe(proc.get(), inode, holders);
    ::_exit(facts.refused.empty() || facts.writable ? 1 : 0);
  });
  int status = 0;
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child.pid()), &info, WEXITED | WNOWAIT), 0);
  status = info.si_status;
  EXPECT_EQ(status, 0);
}

TEST_F(LiveProc, LeavesNoDescriptorBehind) {
  auto count = [] {
    std::vector<int> fds;
    Reader().list_numbers(AT_FDCWD, "/proc/self/fd", fds);
    return fds.size();
  };
  const size_t before = count();
  take_snapshot({}, testing::choose_all);
  EXPECT_EQ(count(), before);
}

// Thousands of descriptors: all of the pipes, and of the rest as many as are useful.
TEST_F(LiveProc, ManyDescriptorsAreNoTrouble) {
  std::vector<sys::UniqueFd> files;
  try {
    for (int i = 0; i < 6000; ++i) files.push_back(sys::open_dev_null(O_RDONLY));
  } catch (const Error&) {
    if (files.size() < 900) throw;
    files.resize(files.size() - 100);  // room for the reader's own
  }
  const sys::Pipe pipe = sys::Pipe::make();
  const Snapshot snapshot = look_at({::getpid()});
  EXPECT_NE(descriptor(snapshot, ::getpid(), pipe.write.get()), nullptr);
  EXPECT_TRUE(snapshot.pipes.contains(sys::inode_of(pipe.read.get())));
}

}  // namespace
}  // namespace penstock::procfs
