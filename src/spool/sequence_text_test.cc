#include "spool/sequence_text.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "spool/support_test.h"

namespace penstock::spool {
namespace {

using namespace testing;
using Kind = SequenceStep::Kind;

// What the disk may hold after a power cut, at any point of `steps`: of the calls since the last
// sync any number has arrived, the bytes and the size independently. Bytes never written are 0.
std::set<std::string> power_cuts(const std::string& before,
                                 const std::vector<SequenceStep>& steps) {
  struct Moment {
    std::string bytes;
    size_t size = 0;
  };
  std::vector<Moment> unsynced = {{before, before.size()}};
  std::set<std::string> found;
  const auto cut_here = [&] {
    for (const Moment& bytes : unsynced) {
      for (const Moment& size : unsynced) {
        std::string content = bytes.bytes;
        content.resize(size.size, '\0');
        found.insert(content);
      }
    }
  };
  cut_here();
  for (const SequenceStep& step : steps) {
    Moment next = unsynced.back();
    switch (step.kind) {
      case Kind::write:
        next.bytes.resize(std::max(next.bytes.size(), step.offset + step.text.size()), '\0');
        next.bytes.replace(step.offset, step.text.size(), step.text);
        next.size = std::max(next.size, step.offset + step.text.size());
        break;
      case Kind::truncate:
        next.bytes.resize(step.offset);
        next.size = step.offset;
        break;
      case Kind::sync:
        unsynced = {unsynced.back()};
        continue;
    }
    unsynced.push_back(next);
    cut_here();
  }
  return found;
}

// Numbers of every length, near the places where the length changes too.
rc::Gen<uint64_t> any_number() {
  return rc::gen::oneOf(
      rc::gen::arbitrary<uint64_t>(),
      rc::gen::map(rc::gen::pair(rc::gen::inRange(0, 20), rc::gen::inRange(-2, 3)),
                   [](const std::pair<int, int>& at) {
                     uint64_t power = 1;
                     for (int i = 0; i < at.first; ++i) power *= 10;
                     return power + static_cast<uint64_t>(at.second);
                   }));
}

RC_GTEST_PROP(CommitSteps, NoPowerCutLeavesAThirdNumber, ()) {
  const uint64_t old_number = *any_number();
  const uint64_t new_number =
      *rc::gen::oneOf(any_number(), rc::gen::just(old_number + 1));  // 0 behind the last: fine here
  const auto front = *rc::gen::element<std::string>("", " ", "+", "000", "\t 0");
  const auto back = *rc::gen::element<std::string>("\n", "\r\n", " \n", "\nmore\n", "\n7", "");
  const std::string before = front + std::to_string(old_number) + back;
  const auto steps = commit_steps(before.size(), new_number);
  for (const std::string& content : power_cuts(before, steps)) {
    const auto number = parse_sequence(content);
    const bool none_is_fine = back.empty();
    RC_ASSERT((number == old_number || number == new_number || (none_is_fine && !number)));
  }
}

RC_GTEST_PROP(CommitSteps, EndWithTheNumberAndItsNewline, (std::string before)) {
  const uint64_t number = *any_number();
  std::string content = before;
  for (const SequenceStep& step : commit_steps(before.size(), number)) {
    if (step.kind == Kind::write) {
      content.resize(std::max(content.size(), step.offset + step.text.size()));
      content.replace(step.offset, step.text.size(), step.text);
    }
    if (step.kind == Kind::truncate) content.resize(step.offset);
  }
  RC_ASSERT(content == std::to_string(number) + "\n");
}

TEST(CommitSteps, AreOneWriteAndOneSyncFromANumberToTheNext) {
  for (const char* before : {"1\n", "9\n", "99\n", "18446744073709551614\n"}) {
    const uint64_t next = successor(*parse_sequence(before));
    EXPECT_EQ(
        commit_steps(std::string(before).size(), next),
        (std::vector<SequenceStep>{{Kind::write, 0, std::to_string(next) + "\n"}, {Kind::sync}}))
        << before;
  }
}

TEST(ParseSequence, TakesWhatFsplTakes) {
  for (const char* text : {"5\n", "5", " 5\n", "5 \n", "5\r\n", "005\n", "5\n\n", "+5\n", "\v5\f\n",
                           "5\nmore", "5\n\xff"}) {
    EXPECT_EQ(parse_sequence(text), 5U) << text;
  }
  EXPECT_EQ(parse_sequence("18446744073709551615\n"), UINT64_MAX);
  EXPECT_EQ(parse_sequence(std::string_view("5\n\0", 3)), 5U);
}

TEST(ParseSequence, RefusesTheRest) {
  for (const char* text : {"", "\n", "\n5\n", "abc\n", "-5\n", "5.0\n", "5 6\n", "0x5\n", "\xff\n",
                           "18446744073709551616\n", "+\n"}) {
    EXPECT_EQ(parse_sequence(text), std::nullopt) << text;
  }
  EXPECT_EQ(parse_sequence(std::string_view("5\0\n", 3)), std::nullopt);
  EXPECT_EQ(parse_sequence(std::string(kMaxSequenceBytes, ' ') + "5\n"), std::nullopt);
}

TEST(ParseSequence, AgreesWithFspl) {
  PENSTOCK_NEEDS_FSPL();
  const Scratch scratch;
  for (const char* text : {"5\n", "  007 \r\n", "+5", "\v5\f\n", "5 6\n", "\n5\n", "-5\n",
                           "5\n\xff", "18446744073709551616\n", "\t\n", "12\0\n", "5\t\n"}) {
    write_file(scratch.path("sf"), text);
    const Outcome theirs = shell("fspl prepare-get-next -s " + scratch.path("sf"));
    const auto ours = parse_sequence(text);
    EXPECT_EQ(theirs.status == 0, ours.has_value()) << text;
    if (ours) {
      EXPECT_EQ(theirs.out, std::to_string(*ours) + "\n") << text;
    }
  }
}

// Each state a kill can leave, put on disk and shown to the real program.
TEST(CommitSteps, ReadAsOldOrNewByFsplAtEveryStep) {
  PENSTOCK_NEEDS_FSPL();
  const Scratch scratch;
  const std::vector<std::pair<std::string, uint64_t>> cases = {
      {"99\n", 100}, {"5\n", 12345}, {"12345\n", 7}, {" 007\r\nmore\n", 8}};
  for (const auto& [before, number] : cases) {
    for (const std::string& content : power_cuts(before, commit_steps(before.size(), number))) {
      write_file(scratch.path("sf"), content);
      const Outcome theirs = shell("fspl prepare-get-next -s " + scratch.path("sf"));
      const std::string was = std::to_string(*parse_sequence(before)) + "\n";
      EXPECT_TRUE(theirs.out == was || theirs.out == std::to_string(number) + "\n")
          << before << " to " << number << ": " << theirs.out;
    }
  }
}

TEST(SequenceProblem, SaysWhatIsInTheFile) {
  EXPECT_EQ(sequence_problem(""), "is empty");
  EXPECT_EQ(sequence_problem(" \n5\n"), "has an empty first line");
  EXPECT_EQ(sequence_problem("a\x1b[2J\n"), "holds \"a\\x1b[2J\", not a number");
  EXPECT_EQ(sequence_problem("18446744073709551616\n"),
            "holds \"18446744073709551616\", more than 2^64-1");
  EXPECT_EQ(sequence_problem(std::string(50, 'x')),
            "begins with \"" + std::string(40, 'x') + "\", not a number");
}

TEST(Successor, HasNoneBehindTheLast) {
  EXPECT_EQ(successor(0), 1U);
  EXPECT_EQ(successor(UINT64_MAX - 1), UINT64_MAX);
  EXPECT_THROW(successor(UINT64_MAX), Error);
}

}  // namespace
}  // namespace penstock::spool
