#include "spool/run_record.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "base/text.h"
#include "spool/sequence_lock.h"
#include "spool/support_test.h"
#include "sys/files.h"
#include "sys/process.h"

namespace penstock::spool {
namespace {

using namespace testing;

RunRecord example() {
  return {.pid = 4711,
          .start = 123456,
          .host = "store.example",
          .since = {.seconds = 1795366801, .nanoseconds = 5},
          .range = {.first = 5,
                    .before = {.seconds = 1795366800, .nanoseconds = 999999999},
                    .boot = "0f0e-1",
                    .sequence_inode = 99},
          .on_error = OnError::quarantine,
          .job = JobInFlight{
              .number = 7, .file = "fspl-x.fspl", .inode = 42, .attempt = 2, .done = true}};
}

rc::Gen<RunRecord> any_record() {
  return rc::gen::exec([] {
    const auto time = [] {
      return Timestamp{.seconds = *rc::gen::inRange<int64_t>(kMinSeconds, kMaxSeconds),
                       .nanoseconds = *rc::gen::inRange<uint32_t>(0, 1'000'000'000)};
    };
    const auto text = [](size_t most) {
      return *rc::gen::resize(static_cast<int>(most), rc::gen::arbitrary<std::string>());
    };
    RunRecord record = {.pid = *rc::gen::inRange(0, 1 << 22),
                        .start = *rc::gen::arbitrary<uint64_t>(),
                        .host = text(255),
                        .since = time(),
                        .range = {.first = *rc::gen::arbitrary<uint64_t>(),
                                  .before = time(),
                                  .boot = text(36),
                                  .sequence_inode = *rc::gen::arbitrary<uint64_t>(),
                                  .sequence_born = time()},
                        .on_error = *rc::gen::element(OnError::retry, OnError::remove,
                                                      OnError::leave, OnError::quarantine),
                        .never_delete = *rc::gen::arbitrary<bool>(),
                        .ended = *rc::gen::arbitrary<bool>()};
    if (*rc::gen::arbitrary<bool>()) {
      record.job = JobInFlight{.number = *rc::gen::arbitrary<uint64_t>(),
                               .file = text(255),
                               .inode = *rc::gen::arbitrary<uint64_t>(),
                               .attempt = *rc::gen::arbitrary<uint32_t>(),
                               .done = *rc::gen::arbitrary<bool>(),
                               .is_next = *rc::gen::arbitrary<bool>(),
                               .end = text(64),
                               .failed_at = time()};
    }
    if (*rc::gen::arbitrary<bool>()) {
      record.row = {.count = *rc::gen::inRange<uint32_t>(1, UINT32_MAX),
                    .first = *rc::gen::arbitrary<uint64_t>(),
                    .first_file = text(255),
                    .last = *rc::gen::arbitrary<uint64_t>()};
    }
    return record;
  });
}

RC_GTEST_PROP(RunRecord, DecodesToWhatWasEncoded, ()) {
  const RunRecord record = *any_record();
  const std::string line = encode(record);
  RC_ASSERT(decode_run_record(line) == record);
  RC_ASSERT(line.size() % 512 == 0);
  RC_ASSERT(line.find('\n') == line.size() - 1);
}

RC_GTEST_PROP(RunRecord, DecodesFromTheFirstLineOnly, (std::string tail)) {
  const RunRecord record = *any_record();
  RC_ASSERT(decode_run_record(encode(record) + tail) == record);
}

// A power cut may keep some sectors of the new line and some of the old, or cut the file.
RC_GTEST_PROP(RunRecord, IsOldOrNewOrNothingWhenTorn, ()) {
  const RunRecord before = *any_record();
  const RunRecord after = *any_record();
  const std::string old_line = encode(before);
  const std::string new_line = encode(after);
  std::string torn = old_line;
  torn.resize(std::max(old_line.size(), new_line.size()), '\0');
  for (size_t at = 0; at < new_line.size(); at += 512) {
    if (*rc::gen::arbitrary<bool>()) torn.replace(at, 512, new_line, at, 512);
  }
  torn.resize(*rc::gen::inRange<size_t>(0, torn.size() + 1));
  const auto found = decode_run_record(torn);
  RC_ASSERT((!found || *found == before || *found == after));
}

RC_GTEST_PROP(RunRecord, SurvivesAnyBytes, (std::string bytes)) {
  RC_ASSERT(decode_run_record(bytes) == std::nullopt);
  RC_ASSERT(decode_run_record("penstock-run 1" + bytes + "\n") == std::nullopt);
}

RC_GTEST_PROP(RunRecord, IsNothingWhenAnyByteChanged, ()) {
  std::string line = encode(*any_record());
  line.resize(line.find_last_not_of(" \n") + 1);  // blanks behind it carry nothing
  const auto at = *rc::gen::inRange<size_t>(0, line.size());
  const char other = *rc::gen::distinctFrom(line[at]);
  line[at] = other;
  const auto found = decode_run_record(line + "\n");
  RC_ASSERT((!found || encode(*found).starts_with(line)));
}

// The line with a check that is right.
std::string checked(const std::string& line) {
  uint64_t hash = 0xcbf29ce484222325U;
  for (unsigned char c : line) hash = (hash ^ c) * 0x100000001b3U;
  return cat(line, " check=", hash, "\n");
}

// As written by somebody who knows how the check is made.
RC_GTEST_PROP(RunRecord, SurvivesAnythingThatChecks, ()) {
  std::string line = encode(*any_record());
  line.resize(line.find(" check="));
  for (int i = *rc::gen::inRange(1, 4); i > 0; --i) {
    const auto at =
        *rc::gen::inRange<size_t>(std::string_view("penstock-run 1").size(), line.size());
    line[at] = *rc::gen::oneOf(rc::gen::element('-', '%', '=', ' ', '9', '.'),
                               rc::gen::distinctFrom('\n'));
  }
  const auto found = decode_run_record(checked(line));
  RC_CLASSIFY(found.has_value());
  if (!found) return;
  RC_ASSERT(holder_sentence(found, HolderState::gone).size() > 0U);
  RC_ASSERT(decode_run_record(encode(*found)) == found);
}

TEST(RunRecord, IsALineThatOneCanRead) {
  EXPECT_EQ(trim(encode(example())).substr(0, 250),
            "penstock-run 1 pid=4711 start=123456 host=store.example since=1795366801.5 first=5 "
            "before=1795366800.999999999 boot=0f0e-1 nextseq=99 policy=quarantine keep=0 ended=0 "
            "job=7 file=fspl-x.fspl inode=42 attempt=2 done=1 check=6987309985888036776");
  EXPECT_EQ(encode(example()).size(), 512U);
}

TEST(RunRecord, ReadsWhatEarlierVersionsHaveWritten) {
  EXPECT_EQ(decode_run_record(
                "penstock-run 1 pid=4711 start=123456 host=store.example since=1795366801.5 "
                "first=5 before=1795366800.999999999 boot=0f0e-1 nextseq=99 policy=quarantine "
                "keep=0 ended=0 job=7 file=fspl-x.fspl inode=42 attempt=2 done=1 "
                "check=6987309985888036776\n"),
            example());
}

TEST(RunRecord, SaysHowTheLastAttemptEnded) {
  RunRecord record = example();
  record.range.sequence_born = {.seconds = 1795366000, .nanoseconds = 7};
  record.job->is_next = true;
  record.job->end = "failed: exit 3";
  record.job->failed_at = {.seconds = 1795366802};
  const std::string line = encode(record);
  EXPECT_NE(line.find(" born=1795366000.7 "), std::string::npos) << line;
  EXPECT_NE(line.find(" next=1 end=failed%3A%20exit%203 failed=1795366802.0 "), std::string::npos);
  EXPECT_EQ(decode_run_record(line), record);
  record.job->end = std::string(65, 'x');
  EXPECT_EQ(decode_run_record(encode(record)), std::nullopt);
}

TEST(RunRecord, HoldsTheLongestNames) {
  RunRecord record = example();
  record.host = std::string(255, '\xff');
  record.range.boot = std::string(255, ' ');
  record.job->file = std::string(255, '\n');
  record.job->end = std::string(64, ' ');
  record.job->failed_at = {.seconds = kMinSeconds, .nanoseconds = 999'999'999};
  record.row = {.count = UINT32_MAX,
                .first = UINT64_MAX,
                .first_file = std::string(255, '\n'),
                .last = UINT64_MAX};
  EXPECT_EQ(encode(record).size() % 512, 0U);
  EXPECT_EQ(decode_run_record(encode(record)), record);
}

TEST(RunRecord, RefusesAWellMadeLineOfNonsense) {
  // What decodes is shown to people, so that a time out of range must not get through.
  RunRecord record = example();
  record.since.seconds = kMaxSeconds + 1;
  EXPECT_EQ(decode_run_record(encode(record)), std::nullopt);
  record = example();
  record.range.boot = std::string(256, 'x');
  EXPECT_EQ(decode_run_record(encode(record)), std::nullopt);
  std::string line = encode(example());
  line.resize(line.find(" check="));
  EXPECT_EQ(decode_run_record(checked(line)), example());
  line.replace(line.find("4711"), 4, "4294967295");
  EXPECT_EQ(decode_run_record(checked(line)), std::nullopt);
  record = example();
  record.pid = -5;
  EXPECT_EQ(decode_run_record(encode(record)), std::nullopt);
}

TEST(QuarantineRow, CountsEachJobOnce) {
  QuarantineRow row;
  row.add(41, "fspl-a.fspl");
  row.add(42, "fspl-b.fspl");
  row.add(42, "fspl-b.fspl");  // killed before its commit, and moved again
  EXPECT_EQ(row, (QuarantineRow{.count = 2, .first = 41, .first_file = "fspl-a.fspl", .last = 42}));
  row.count = UINT32_MAX;
  row.add(43, "fspl-c.fspl");
  EXPECT_EQ(row.count, UINT32_MAX);
}

class RunRecordFile : public ::testing::Test {
 protected:
  RunRecordFile() : lock_(*SequenceLock::take(file_, SequenceLock::Side::sender)) {}

  const Scratch scratch_;
  const std::string file_ = scratch_.path("nextseq");
  const SequenceLock lock_;
};

TEST_F(RunRecordFile, IsOverwrittenInPlace) {
  EXPECT_EQ(read_run_record(lock_.fd()), std::nullopt);
  RunRecord record = example();
  record.job->file = std::string(255, ' ');
  write_run_record(lock_.fd(), record, Durable::yes);
  EXPECT_EQ(read_run_record(lock_.fd()), record);
  write_run_record(lock_.fd(), example(), Durable::no);
  EXPECT_EQ(read_run_record(lock_.fd()), example());
  EXPECT_EQ(read_file(file_ + ".lock").size(), 512U);
  clear_run_record(lock_.fd());
  EXPECT_EQ(read_file(file_ + ".lock"), "");
}

TEST_F(RunRecordFile, IsNothingToFspl) {
  PENSTOCK_NEEDS_FSPL();
  write_run_record(lock_.fd(), example(), Durable::no);
  const std::string before = read_file(file_ + ".lock");
  EXPECT_EQ(
      shell("cp " + file_ + ".lock " + scratch_.path("s.lock") + "; fspl prepare-get-next -s " +
            scratch_.path("s") + " && cmp " + file_ + ".lock " + scratch_.path("s.lock"))
          .out,
      "1\n");
}

TEST_F(RunRecordFile, TellsWhoHoldsTheLock) {
  EXPECT_EQ(describe_holder(file_), "held by another process");
  RunRecord record = RunRecord::of_this_process(7, 1);
  write_run_record(lock_.fd(), record, Durable::no);
  const std::string who = cat("held by process ", ::getpid(), " on host ", sys::host_name(),
                              " since ", rfc3339_local(record.since));
  EXPECT_EQ(describe_holder(file_), who);
  record.job = JobInFlight{.number = 7, .file = "fspl-\x1b.fspl"};
  write_run_record(lock_.fd(), record, Durable::no);
  EXPECT_EQ(describe_holder(file_), who + ", running job 7 (fspl-\\x1b.fspl)");
  record.ended = true;
  write_run_record(lock_.fd(), record, Durable::no);
  EXPECT_EQ(describe_holder(file_), "held by another process");
  EXPECT_EQ(describe_holder(scratch_.path("nothing")), "held by another process");
}

TEST(HolderState, KnowsTheLivingFromTheDead) {
  RunRecord record = RunRecord::of_this_process(1, 1);
  EXPECT_EQ(holder_state(record), HolderState::alive);
  ++record.start;  // the pid was given to another process
  EXPECT_EQ(holder_state(record), HolderState::gone);
  record.pid = 1 << 30;
  EXPECT_EQ(holder_state(record), HolderState::gone);
  record.host = "elsewhere.invalid";
  EXPECT_EQ(holder_state(record), HolderState::elsewhere);
}

TEST(HolderSentence, SaysThatTheHolderIsGone) {
  ::setenv("TZ", "UTC", 1);
  EXPECT_EQ(
      holder_sentence(example(), HolderState::gone),
      "held by process 4711 on host store.example since 2026-11-22T17:00:01+00:00, running job 7 "
      "(fspl-x.fspl) (that process is gone; a child of it may still hold the lock)");
  EXPECT_EQ(holder_sentence(std::nullopt, HolderState::alive), "held by another process");
}

TEST(NextAttempt, CountsTheSameFileOnly) {
  const FileIdentity same = {.inode = 42};
  const auto number = [](const std::optional<RunRecord>& record, uint64_t job,
                         std::string_view name, const FileIdentity& id) {
    return next_attempt(record, job, name, id).number;
  };
  EXPECT_EQ(number(example(), 7, "fspl-x.fspl", same), 3U);
  EXPECT_EQ(number(example(), 8, "fspl-x.fspl", same), 1U);
  EXPECT_EQ(number(example(), 7, "fspl-y.fspl", same), 1U);
  EXPECT_EQ(number(example(), 7, "fspl-x.fspl", {.inode = 43}), 1U);
  EXPECT_EQ(number(std::nullopt, 7, "fspl-x.fspl", same), 1U);
  RunRecord idle = example();
  idle.job.reset();
  EXPECT_EQ(number(idle, 7, "fspl-x.fspl", same), 1U);
  RunRecord many = example();
  many.job->attempt = UINT32_MAX;
  EXPECT_EQ(number(many, 7, "fspl-x.fspl", same), UINT32_MAX);
}

TEST(NextAttempt, TellsHowTheLastOneEnded) {
  const auto previous = [](const RunRecord& record) {
    return next_attempt(record, 7, "fspl-x.fspl", {.inode = 42}).previous;
  };
  RunRecord record = example();
  EXPECT_EQ(previous(record), "interrupted");
  record.job->end = "failed: exit 3";
  EXPECT_EQ(previous(record), "failed: exit 3");
  record.ended = true;
  EXPECT_EQ(previous(record), "failed: exit 3");
  record.job->end.clear();
  EXPECT_EQ(previous(record), "unknown");
  EXPECT_EQ(next_attempt(record, 8, "fspl-x.fspl", {.inode = 42}).previous, "");
}

}  // namespace
}  // namespace penstock::spool
