#include "doctor/healer.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "base/text.h"
#include "doctor/looking.h"
#include "procfs/capture.h"
#include "procfs/thread_state.h"
#include "sys/files.h"
#include "sys/pipe.h"
#include "sys/process.h"

namespace penstock::doctor {
namespace {

using namespace std::chrono_literals;
using procfs::Snapshot;
using sys::Pipe;

// A child that does one thing; ended with the object.
class Child {
 public:
  explicit Child(const std::function<void()>& work) : pid_(::fork()) {
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    work();
    ::_exit(0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    wait();
  }

  pid_t pid() const { return pid_; }
  ProcessId id() const { return {.pid = pid_, .start_time = sys::start_time_of(pid_).value_or(0)}; }
  int wait() {
    int status = -1;
    ::waitpid(pid_, &status, 0);
    pid_ = 0;
    return status;
  }

 private:
  pid_t pid_;
};

bool comes(const std::function<bool()>& seen) {
  for (int i = 0; i < 5000; ++i) {
    if (seen()) return true;
    std::this_thread::sleep_for(1ms);
  }
  return false;
}

bool sleeps_in(pid_t pid, std::string_view function) {
  return comes([&] {
    const auto thread = procfs::read_thread_state(pid, pid);
    return thread && thread->state == 'S' && thread->wchan &&
           thread->wchan->find(function) != std::string::npos;
  });
}

std::vector<uint8_t> pattern(size_t size) {
  std::vector<uint8_t> bytes(size);
  uint32_t x = 1;
  for (uint8_t& byte : bytes) {
    x = x * 1664525 + 1013904223;
    byte = static_cast<uint8_t>(x >> 24U);
  }
  return bytes;
}

std::vector<uint8_t> read_all(int fd, size_t limit) {
  std::vector<uint8_t> bytes(limit);
  bytes.resize(sys::read_full(fd, bytes, "pipe"));
  return bytes;
}

// Two looks at the children, right after each other.
struct Diagnosed {
  explicit Diagnosed(const std::vector<pid_t>& pids)
      : before(look(pids)), now(look(pids)), finding{.rule = &kRule} {}
  static Snapshot look(const std::vector<pid_t>& pids) {
    return procfs::take_snapshot(procfs::Source{}, [&](const Snapshot& /*table*/) {
      return std::set<pid_t>(pids.begin(), pids.end());
    });
  }
  HealResult heal(const Remedy& remedy) const { return doctor::heal(finding, remedy, before, now); }

  static constexpr RuleInfo kRule = {.id = "R00"};
  Snapshot before;
  Snapshot now;
  Finding finding;
};

constexpr size_t kMuch = 1 << 20;

// A child asleep in the write of 1 MiB to a pipe of 64 KiB, which we could read.
class HealerTest : public testing::Test {
 protected:
  HealerTest()
      : pipe_(Pipe::make()), inode_(sys::inode_of(pipe_.read.get())), writer_([this] {
          pipe_.read.reset();
          if (!name_.empty()) sys::set_process_name(name_.c_str());
          sys::write_all(pipe_.write.get(), pattern(kMuch), "pipe");
        }) {
    pipe_.write.reset();
  }
  void SetUp() override { ASSERT_TRUE(sleeps_in(writer_.pid(), "pipe_write")); }

  Diagnosed diagnosed() const {
    Diagnosed all({writer_.pid()});
    all.finding.culprit = writer_.id();
    all.finding.pipe = inode_;
    return all;
  }
  Remedy remedy(Step step) const { return {.step = step, .target = writer_.id(), .pipe = inode_}; }
  uint64_t switches() const {
    return procfs::read_thread_state(writer_.pid(), writer_.pid())->voluntary_switches.value();
  }

  static inline std::string name_;
  Pipe pipe_;
  ino_t inode_;
  Child writer_;
};

TEST_F(HealerTest, ANudgeWakesTheWriterOnceAndChangesNothing) {
  const Diagnosed seen = diagnosed();
  const uint64_t before = switches();
  const HealResult result = seen.heal(remedy(Step::nudge));
  EXPECT_TRUE(result.applied) << result.sentence;
  EXPECT_TRUE(result.verified) << result.sentence;
  ASSERT_TRUE(sleeps_in(writer_.pid(), "pipe_write"));
  EXPECT_EQ(switches(), before + 1);
  EXPECT_EQ(sys::pipe_size(pipe_.read.get()), 65536u);
  EXPECT_EQ(read_all(pipe_.read.get(), kMuch + 1), pattern(kMuch));
}

TEST_F(HealerTest, NoNudgeForAWriterThatHasMovedSince) {
  const Diagnosed seen = diagnosed();
  const std::vector<uint8_t> first = read_all(pipe_.read.get(), 65536);
  ASSERT_TRUE(sleeps_in(writer_.pid(), "pipe_write"));
  const HealResult result = seen.heal(remedy(Step::nudge));
  EXPECT_FALSE(result.applied) << result.sentence;
  EXPECT_NE(result.sentence.find("moved"), std::string::npos) << result.sentence;
}

TEST_F(HealerTest, NoNudgeForAnotherProcessOfThatNumber) {
  Diagnosed seen = diagnosed();
  Remedy late = remedy(Step::nudge);
  late.target.start_time += 1;
  const uint64_t before = switches();
  EXPECT_FALSE(seen.heal(late).applied);
  // Even if the snapshots said so too.
  for (Snapshot* snapshot : {&seen.before, &seen.now}) {
    snapshot->processes.at(writer_.pid()).stat.start_time += 1;
  }
  seen.finding.culprit = late.target;
  for (const Step step : {Step::nudge, Step::end_holder, Step::stop_cont, Step::end_all}) {
    late.step = step;
    const HealResult result = seen.heal(late);
    EXPECT_FALSE(result.applied) << name_of(step) << ": " << result.sentence;
  }
  std::string why;
  EXPECT_FALSE(nudge(late.target, inode_, why));
  EXPECT_NE(why.find("another one"), std::string::npos) << why;
  EXPECT_EQ(switches(), before);
}

TEST_F(HealerTest, NoNudgeThroughAPipeThatIsAnother) {
  Remedy other = remedy(Step::nudge);
  other.pipe = inode_ + 100000;
  EXPECT_FALSE(diagnosed().heal(other).applied);
  std::string why;
  EXPECT_FALSE(nudge(writer_.id(), inode_ + 100000, why));
  EXPECT_NE(why.find("no end"), std::string::npos) << why;
}

TEST_F(HealerTest, AStoppedAndContinuedWriterGoesOn) {
  const Diagnosed seen = diagnosed();
  const HealResult result = seen.heal(remedy(Step::stop_cont));
  EXPECT_TRUE(result.applied) << result.sentence;
  EXPECT_TRUE(result.verified) << result.sentence;  // its write came back short
  EXPECT_EQ(read_all(pipe_.read.get(), kMuch + 1), pattern(kMuch));
}

TEST_F(HealerTest, WhoeverWasStoppedMeanwhileIsLeftAlone) {
  const Diagnosed seen = diagnosed();
  ::kill(writer_.pid(), SIGSTOP);
  ASSERT_TRUE(
      comes([&] { return procfs::read_thread_state(writer_.pid(), writer_.pid())->state == 'T'; }));
  for (const Step step : {Step::nudge, Step::end_holder, Step::stop_cont, Step::end_all}) {
    const HealResult result = seen.heal(remedy(step));
    EXPECT_FALSE(result.applied) << name_of(step) << ": " << result.sentence;
  }
  EXPECT_EQ(procfs::read_thread_state(writer_.pid(), writer_.pid())->state, 'T');
}

TEST_F(HealerTest, WaitingAndClosingOurEndsAreNeverApplied) {
  const Diagnosed seen = diagnosed();
  EXPECT_FALSE(seen.heal(remedy(Step::wait)).applied);
  EXPECT_FALSE(seen.heal(remedy(Step::close_own)).applied);
}

TEST_F(HealerTest, EndingTheWholePipelineEndsAllOfIt) {
  Child other([] { ::pause(); });
  const ProcessId other_id = other.id();
  Diagnosed seen({writer_.pid(), other.pid()});
  seen.finding.culprit = writer_.id();
  // Without a pipe, the thread of a sanitizer would count, too: it ticks ten times a second.
  seen.finding.pipe = inode_;
  Remedy all = remedy(Step::end_all);
  all.others = {other_id};
  const HealResult result = seen.heal(all);
  ASSERT_TRUE(result.verified) << result.sentence;
  EXPECT_EQ(other.wait(), SIGTERM);
  EXPECT_EQ(writer_.wait(), SIGTERM);
}

TEST_F(HealerTest, WhoCalledUsIsNeverEnded) {
  Diagnosed seen({writer_.pid(), ::getpid(), ::getppid()});
  for (const pid_t pid : {::getpid(), ::getppid()}) {
    Remedy us = remedy(Step::end_holder);
    us.target = {.pid = pid, .start_time = sys::start_time_of(pid).value_or(0)};
    EXPECT_FALSE(seen.heal(us).applied);
  }
}

class HealerOfZfs : public HealerTest {
 protected:
  // Before the fixture starts its child.
  static void SetUpTestSuite() { name_ = "zfs"; }
  static void TearDownTestSuite() { name_.clear(); }
};

TEST_F(HealerOfZfs, IsNeverStopped) {
  const Diagnosed seen = diagnosed();
  ASSERT_EQ(seen.now.find(writer_.pid())->stat.comm, "zfs");
  const uint64_t before = switches();
  const HealResult result = seen.heal(remedy(Step::stop_cont));
  EXPECT_FALSE(result.applied);
  EXPECT_NE(result.sentence.find("must not be stopped"), std::string::npos) << result.sentence;
  EXPECT_EQ(switches(), before);
}

// A reader asleep on an empty pipe, whose write end only a holder has, who does not write.
struct Leak {
  explicit Leak(std::function<void(ino_t)> prepare = [](ino_t) {})
      : pipe(Pipe::make()),
        inode(sys::inode_of(pipe.read.get())),
        holder([&] {
          pipe.read.reset();
          ::signal(SIGUSR1, [](int) { ::close(kKnownFd); });
          ::signal(SIGUSR2, [](int) { static_cast<void>(!::write(kKnownFd, "x", 1)); });
          ::dup2(pipe.write.get(), kKnownFd);
          pipe.write.reset();
          prepare(inode);
          for (;;) ::pause();
        }),
        reader([&] {
          pipe.write.reset();
          std::array<uint8_t, 1> byte{};
          ::_exit(sys::read_some(pipe.read.get(), byte, "pipe") == 0 ? 7 : 1);
        }) {
    pipe.read.reset();
    pipe.write.reset();
  }
  bool is_staged() const {
    return sleeps_in(reader.pid(), "pipe_read") && comes([&] {
             return procfs::read_thread_state(holder.pid(), holder.pid())->state == 'S';
           });
  }
  Diagnosed diagnosed() const {
    Diagnosed all({holder.pid(), reader.pid()});
    all.finding.culprit = holder.id();
    all.finding.victims = {reader.id()};
    all.finding.pipe = inode;
    return all;
  }
  Remedy end() const { return {.step = Step::end_holder, .target = holder.id(), .pipe = {}}; }

  static constexpr int kKnownFd = 60;
  Pipe pipe;
  ino_t inode;
  Child holder;
  Child reader;
};

TEST(EndHolder, GivesTheReaderItsEndOfFile) {
  Leak leak;
  ASSERT_TRUE(leak.is_staged());
  const Diagnosed seen = leak.diagnosed();
  const HealResult result = seen.heal(leak.end());
  EXPECT_TRUE(result.applied) << result.sentence;
  EXPECT_TRUE(result.verified) << result.sentence;
  EXPECT_EQ(leak.holder.wait(), SIGTERM);
  EXPECT_EQ(WEXITSTATUS(leak.reader.wait()), 7);
}

TEST(EndHolder, LeavesAloneWhoHasLetGo) {
  Leak leak;
  ASSERT_TRUE(leak.is_staged());
  Diagnosed seen = leak.diagnosed();
  seen.finding.victims.clear();  // whose end of file would be news enough
  ::kill(leak.holder.pid(), SIGUSR1);
  EXPECT_EQ(WEXITSTATUS(leak.reader.wait()), 7);
  const HealResult result = seen.heal(leak.end());
  EXPECT_FALSE(result.applied) << result.sentence;
}

TEST(EndHolder, IsRefusedWhereNobodyWaitsAnyMore) {
  Leak leak;
  ASSERT_TRUE(leak.is_staged());
  const Diagnosed seen = leak.diagnosed();
  ::kill(leak.holder.pid(), SIGUSR2);  // who writes after all, and still holds the pipe
  EXPECT_EQ(WEXITSTATUS(leak.reader.wait()), 1);
  const HealResult result = seen.heal(leak.end());
  EXPECT_FALSE(result.applied) << result.sentence;
}

TEST(EndHolder, IsRefusedIfTheHolderWasStoppedMeanwhile) {
  Leak leak;
  ASSERT_TRUE(leak.is_staged());
  const Diagnosed seen = leak.diagnosed();
  ::kill(leak.holder.pid(), SIGSTOP);
  ASSERT_TRUE(comes([&] {
    return procfs::read_thread_state(leak.holder.pid(), leak.holder.pid())->state == 'T';
  }));
  const HealResult result = seen.heal(leak.end());
  EXPECT_FALSE(result.applied) << result.sentence;
}

TEST(EndHolder, NeverTouchesAGate) {
  Leak leak([](ino_t pipe) { sys::make_memfd(cat("penstock-gate:", pipe)).release(); });
  ASSERT_TRUE(leak.is_staged());
  ASSERT_TRUE(
      comes([&] { return !Scene(leak.diagnosed().before, leak.diagnosed().now).gates().empty(); }));
  const HealResult result = leak.diagnosed().heal(leak.end());
  EXPECT_FALSE(result.applied);
  EXPECT_NE(result.sentence.find("gate"), std::string::npos) << result.sentence;
  EXPECT_EQ(procfs::read_thread_state(leak.holder.pid(), leak.holder.pid())->state, 'S');
}

// One healthy pipeline: a writer, a copier, a reader who knows what must come; each pipe nudged all
// the while. How many nudges there were; nothing if a byte was wrong.
std::optional<size_t> nudge_one_pipeline(const std::vector<uint8_t>& bytes, size_t block) {
  Pipe first = Pipe::make();
  Pipe second = Pipe::make();
  const ino_t pipes[] = {sys::inode_of(first.read.get()), sys::inode_of(second.read.get())};
  const auto copy = [&] {
    first.write.reset();
    second.read.reset();
    std::vector<uint8_t> buffer(block);
    while (const size_t count = sys::read_some(first.read.get(), buffer, "pipe")) {
      sys::write_all(second.write.get(), std::span(buffer).first(count), "pipe");
    }
  };
  Child writer([&] {
    first.read.reset();
    second = {};
    sys::write_all(first.write.get(), bytes, "pipe");
  });
  Child copier(copy);
  first = {};
  Child reader([&] {
    second.write.reset();
    ::_exit(read_all(second.read.get(), bytes.size() + 1) == bytes ? 0 : 1);
  });
  second = {};
  const auto pidfd = sys::open_pidfd(reader.pid());
  const ProcessId through[] = {writer.id(), copier.id(), reader.id()};
  size_t nudges = 0;
  while (!sys::is_dead(pidfd->get())) {
    for (const ProcessId& id : through) {
      for (const ino_t pipe : pipes) {
        std::string why;
        if (nudge(id, pipe, why)) ++nudges;
      }
    }
  }
  const bool all_well = reader.wait() == 0 && copier.wait() == 0 && writer.wait() == 0;
  return all_well ? std::optional(nudges) : std::nullopt;
}

TEST(Nudge, HarmsNoHealthyPipeline) {
  const char* wanted = std::getenv("PENSTOCK_NUDGED_PIPELINES");
  const size_t pipelines = wanted == nullptr ? 300 : parse_u64(wanted).value_or(300);
  const std::vector<uint8_t> bytes = pattern(400'000);
  size_t nudges = 0;
  for (size_t i = 0; i < pipelines; ++i) {
    const auto done = nudge_one_pipeline(bytes, 1 + i * 7919 % 70'000);
    ASSERT_TRUE(done) << "pipeline " << i;
    nudges += *done;
  }
  EXPECT_GE(nudges, pipelines);
  RecordProperty("nudges", static_cast<int>(nudges));
}

}  // namespace
}  // namespace penstock::doctor
