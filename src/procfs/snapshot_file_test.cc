#include "procfs/snapshot_file.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/error.h"
#include "base/text.h"

namespace rc {

using penstock::procfs::Call;
using penstock::procfs::Descriptor;
using penstock::procfs::EpollEntry;
using penstock::procfs::FileKind;
using penstock::procfs::FileLock;
using penstock::procfs::IoTotals;
using penstock::procfs::PipeFacts;
using penstock::procfs::Process;
using penstock::procfs::ProcessStat;
using penstock::procfs::Snapshot;
using penstock::procfs::SyscallState;
using penstock::procfs::Task;

namespace {

Gen<std::string> bytes() {
  return gen::oneOf(gen::container<std::string>(gen::arbitrary<char>()),
                    gen::element<std::string>("", "cat", "a) (b\n", "\xff\xfe", "\xc3\xa9"));
}

template <typename T>
Gen<std::optional<T>> may_be(Gen<T> value) {
  return gen::mapcat(gen::arbitrary<bool>(), [value](bool told) {
    return told ? gen::map(value, [](T v) { return std::optional<T>(std::move(v)); })
                : gen::just(std::optional<T>());
  });
}

template <typename T>
Gen<std::optional<T>> may_be() {
  return may_be(gen::arbitrary<T>());
}

Gen<SyscallState> syscall() {
  return gen::oneOf(
      gen::just(SyscallState{.running = true}), gen::just(SyscallState{}),
      gen::build<SyscallState>(
          gen::set(&SyscallState::number, gen::inRange<long>(0, 500)),
          gen::set(&SyscallState::call,
                   gen::map(gen::inRange(0, 15), [](int call) { return static_cast<Call>(call); })),
          gen::set(&SyscallState::arguments)));
}

Gen<Task> task() {
  return gen::build<Task>(
      gen::set(&Task::tid), gen::set(&Task::comm, bytes()), gen::set(&Task::state),
      gen::set(&Task::wchan, may_be(bytes())), gen::set(&Task::syscall, may_be(syscall())),
      gen::set(&Task::voluntary_switches, may_be<uint64_t>()),
      gen::set(&Task::involuntary_switches, may_be<uint64_t>()),
      gen::set(&Task::idle_s, may_be<double>()), gen::set(&Task::opening, may_be(bytes())));
}

Gen<Descriptor> descriptor() {
  const auto entry = gen::build<EpollEntry>(gen::set(&EpollEntry::fd, gen::inRange(0, 100000)),
                                            gen::set(&EpollEntry::events));
  return gen::build<Descriptor>(
      gen::set(&Descriptor::fd),
      gen::set(&Descriptor::kind,
               gen::map(gen::inRange(0, 8), [](int kind) { return static_cast<FileKind>(kind); })),
      gen::set(&Descriptor::target, bytes()), gen::set(&Descriptor::inode),
      gen::set(&Descriptor::reads), gen::set(&Descriptor::writes),
      gen::set(&Descriptor::flags, may_be<uint32_t>()),
      gen::set(&Descriptor::position, may_be<uint64_t>()),
      gen::set(&Descriptor::watched, gen::container<std::vector<EpollEntry>>(entry)),
      gen::set(&Descriptor::content, bytes()));
}

Gen<Process> process() {
  const auto stat = gen::build<ProcessStat>(
      gen::set(&ProcessStat::pid), gen::set(&ProcessStat::comm, bytes()),
      gen::set(&ProcessStat::state), gen::set(&ProcessStat::parent), gen::set(&ProcessStat::group),
      gen::set(&ProcessStat::session), gen::set(&ProcessStat::start_time),
      gen::set(&ProcessStat::kernel_thread));
  const auto words = gen::container<std::vector<std::string>>(bytes());
  const auto io =
      gen::build<IoTotals>(gen::set(&IoTotals::read_bytes), gen::set(&IoTotals::write_bytes),
                           gen::set(&IoTotals::disk_written));
  const auto near = gen::build<Process>(
      gen::set(&Process::stat, stat), gen::set(&Process::tty), gen::set(&Process::foreground_group),
      gen::set(&Process::cpu_ticks), gen::set(&Process::exit_status, may_be<int>()),
      gen::set(&Process::descriptors,
               may_be(gen::container<std::vector<Descriptor>>(descriptor()))),
      gen::set(&Process::looked_at, gen::just(true)), gen::set(&Process::arguments, may_be(words)),
      gen::set(&Process::exe, may_be(bytes())), gen::set(&Process::user, may_be<uid_t>()),
      gen::set(&Process::tracer), gen::set(&Process::signals_pending),
      gen::set(&Process::signals_blocked), gen::set(&Process::signals_ignored),
      gen::set(&Process::signals_caught), gen::set(&Process::io, may_be(io)),
      gen::set(&Process::cgroup, may_be(bytes())),
      gen::set(&Process::tasks, gen::container<std::vector<Task>>(task())),
      gen::set(&Process::environment_names, words));
  return gen::oneOf(near, gen::build<Process>(gen::set(&Process::stat, stat)));
}

Gen<PipeFacts> facts() {
  return gen::build<PipeFacts>(
      gen::set(&PipeFacts::inode), gen::set(&PipeFacts::capacity, may_be<size_t>()),
      gen::set(&PipeFacts::queued, may_be<size_t>()),
      gen::set(&PipeFacts::writable, may_be<bool>()),
      gen::set(&PipeFacts::has_writer, may_be<bool>()),
      gen::set(&PipeFacts::has_reader, may_be<bool>()),
      gen::set(&PipeFacts::owner, may_be<uid_t>()), gen::set(&PipeFacts::refused, bytes()));
}

}  // namespace

template <>
struct Arbitrary<Snapshot> {
  static Gen<Snapshot> arbitrary() {
    // A tenth of the usual size: everything in here holds lists of lists.
    return gen::map(
        gen::scale(0.1, gen::tuple(gen::container<std::vector<Process>>(process()),
                                   gen::container<std::vector<PipeFacts>>(facts()), bytes(),
                                   gen::arbitrary<double>(), gen::arbitrary<bool>())),
        [](const auto& parts) {
          const auto& [processes, pipes, text, number, truth] = parts;
          Snapshot snapshot;
          snapshot.taken_s = number;
          snapshot.machine.kernel = text;
          snapshot.machine.has_syscall_file = truth;
          if (truth) snapshot.machine.pipe_user_pages_soft = 16384;
          for (const Process& p : processes) snapshot.processes[p.stat.pid] = p;
          for (const PipeFacts& p : pipes) snapshot.pipes[p.inode] = p;
          snapshot.locks.push_back({.number = 3, .waits = truth, .kind = text});
          snapshot.tcp[7] = {.inode = 7, .local = text, .remote = "[::1]:2", .timer = 4};
          snapshot.unix_sockets[8] = {.inode = 8, .state = 3, .path = text};
          snapshot.cgroups[text] = {.frozen = truth, .frozen_at = text, .by_freezer = truth};
          if (truth) snapshot.cgroups["/x"].throttled_us = 17;
          return snapshot;
        });
  }
};

}  // namespace rc

namespace penstock::procfs {
namespace {

TEST(SnapshotFile, GivesBackWhatWasPutIn) {
  const bool holds = rc::check([](const Snapshot& before, const Snapshot& after) {
    const auto [first, second] = decode_snapshots(encode_snapshots(before, after, Arguments::keep));
    RC_ASSERT(first == before);
    RC_ASSERT(second == after);
  });
  EXPECT_TRUE(holds);
}

Snapshot small() {
  Snapshot snapshot;
  Process& process = snapshot.processes[42];
  process.stat = {.pid = 42, .comm = "tool", .state = 'S', .parent = 1, .start_time = 9};
  process.looked_at = true;
  process.arguments = {"/usr/bin/tool", "--password=sesame", "secret file"};
  process.tasks.push_back({.tid = 42, .comm = "tool", .state = 'S'});
  return snapshot;
}

TEST(SnapshotFile, RedactsAllButTheNameOfTheProgram) {
  const std::string text = encode_snapshots(small(), small(), Arguments::redact);
  EXPECT_EQ(text.find("sesame"), std::string::npos);
  EXPECT_EQ(text.find("secret"), std::string::npos);
  EXPECT_EQ(decode_snapshots(text).first.find(42)->arguments, std::vector<std::string>{"tool"});
}

std::string complaint(std::string_view text) {
  try {
    decode_snapshots(text);
  } catch (const Error& e) {
    return e.message();
  }
  return "";
}

TEST(SnapshotFile, SaysWhereItIsWrong) {
  const std::string good = encode_snapshots(small(), small(), Arguments::keep);
  auto with = [&](std::string_view from, std::string_view to) {
    std::string text = good;
    const size_t at = text.rfind(from);  // in "before", which comes behind "after"
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  };
  EXPECT_EQ(complaint(good), "");
  EXPECT_EQ(complaint("{"), "snapshot file: byte 2: this is no JSON");
  EXPECT_EQ(complaint("[]"), "snapshot file: file: must be an object");
  EXPECT_EQ(complaint("{\"penstock_snapshots\":2}"),
            "snapshot file: it is of version 2, this program knows version 1");
  EXPECT_EQ(complaint(with("\"tid\": 42", "\"tid\": 4200000000")),
            "snapshot file: file.before.processes[0].tasks[0].tid: is out of range");
  EXPECT_EQ(complaint(with("\"tid\": 42", "\"tid\": 1.5")),
            "snapshot file: file.before.processes[0].tasks[0].tid: must be a whole number");
  EXPECT_EQ(complaint(with("\"tid\": 42", "\"tod\": 42")),
            "snapshot file: file.before.processes[0].tasks[0].tid: is missing");
  EXPECT_EQ(complaint(with("\"comm\": \"tool\"", "\"comm\": {\"hex\":\"6\"}")),
            "snapshot file: file.before.processes[0].tasks[0].comm.hex: has half a byte");
  EXPECT_EQ(complaint(with("\"ticks_per_s\": 100", "\"ticks_per_s\": 0")),
            "snapshot file: file.before.machine.ticks_per_s: is out of range");
}

TEST(SnapshotFile, RefusesWhatWouldAskForTooMuch) {
  EXPECT_EQ(complaint(std::string(100, '[')), "snapshot file: byte 16: it is nested too deep");
  EXPECT_EQ(complaint('[' + std::string(8 << 20, ',')).substr(0, 20), "snapshot file: byte ");
  EXPECT_EQ(complaint(std::string((64 << 20) + 1, ' ')), "snapshot file: it is larger than 64 MiB");
  const std::string good = encode_snapshots(small(), small(), Arguments::keep);
  for (size_t length = 0; length + 1 < good.size(); ++length) {
    EXPECT_NE(complaint(good.substr(0, length)), "") << length;
  }
}

}  // namespace
}  // namespace penstock::procfs
