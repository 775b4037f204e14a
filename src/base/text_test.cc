#include "base/text.h"

#include <gtest/gtest.h>

namespace penstock {
namespace {

TEST(ParseU64, TakesWhatFsplTakes) {
  EXPECT_EQ(parse_u64("0"), 0U);
  EXPECT_EQ(parse_u64("+5"), 5U);
  EXPECT_EQ(parse_u64("007"), 7U);
  EXPECT_EQ(parse_u64("18446744073709551615"), UINT64_MAX);
}

TEST(ParseU64, RefusesTheRest) {
  for (const char* text :
       {"", "+", "-1", " 5", "5 ", "0x5", "1.5", "18446744073709551616", "++5"}) {
    EXPECT_EQ(parse_u64(text), std::nullopt) << text;
  }
}

TEST(Printable, LeavesOrdinaryNamesAlone) {
  EXPECT_EQ(printable("fspl-é ö.fspl"), "fspl-é ö.fspl");
}

TEST(Printable, EscapesWhatATerminalWouldActOn) {
  EXPECT_EQ(printable("a\x1b[2J\n\x7f"), "a\\x1b[2J\\x0a\\x7f");
  EXPECT_EQ(printable("\xff\xc2\x9b"), "\\xff\\xc2\\x9b");
  EXPECT_EQ(printable("a\\b"), "a\\\\b");
}

TEST(ShellQuote, QuotesOnlyWhatNeedsIt) {
  EXPECT_EQ(shell_join({"zfs", "receive", "-u", "a b", "", "it's"}),
            "zfs receive -u 'a b' '' 'it'\\''s'");
}

TEST(HumanBytes, UsesBinaryUnits) {
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes(UINT64_MAX), "16.0 EiB");
}

}  // namespace
}  // namespace penstock
