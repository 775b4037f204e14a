#include "spool/quarantine_report.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace penstock::spool {
namespace {

QuarantineReport example() {
  return {.number = 7,
          .file = "fspl-x.fspl",
          .time = "2026-11-22T17:00:01+00:00",
          .attempts = 3,
          .may_have_been_applied = true,
          .reason = "gpg exited 2 (no secret key)",
          .text = "stage: gpg -q -d: exited 2\n"};
}

TEST(QuarantineReport, IsTextThatOneCanRead) {
  EXPECT_EQ(encode(example()),
            "job: 7\nfile: fspl-x.fspl\ntime: 2026-11-22T17:00:01+00:00\nattempts: 3\n"
            "may have been applied: yes\nreason: gpg exited 2 (no secret key)\n"
            "stage: gpg -q -d: exited 2\n");
  EXPECT_EQ(decode_quarantine_report(encode(example())), example());
  QuarantineReport other = example();
  other.may_have_been_applied = false;
  other.text.clear();
  EXPECT_EQ(decode_quarantine_report(encode(other)), other);
}

TEST(QuarantineReport, KeepsItsNumberHoweverItWasCut) {
  const std::string whole = encode(example());
  for (size_t size = std::string("job: 7\n").size(); size <= whole.size(); ++size) {
    const auto report = decode_quarantine_report(whole.substr(0, size));
    ASSERT_TRUE(report) << size;
    EXPECT_EQ(report->number, 7U);
  }
  EXPECT_EQ(decode_quarantine_report(""), std::nullopt);
  EXPECT_EQ(decode_quarantine_report("job: \n"), std::nullopt);
  EXPECT_EQ(decode_quarantine_report("moved here by hand\n"), std::nullopt);
}

RC_GTEST_PROP(QuarantineReport, SurvivesAnyBytes, (std::string bytes)) {
  static_cast<void>(decode_quarantine_report(bytes));
  static_cast<void>(decode_quarantine_report("job: 7\n" + bytes));
}

}  // namespace
}  // namespace penstock::spool
