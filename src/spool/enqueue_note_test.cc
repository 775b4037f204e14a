#include "spool/enqueue_note.h"

#include <gtest/gtest.h>

namespace penstock::spool {
namespace {

TEST(EnqueueNote, ComesBackAsItWasWritten) {
  const EnqueueNote note{.number = 7, .queue_dir = "/q with blank/\xff", .file = "fspl-a b.fspl"};
  EXPECT_EQ(decode_enqueue_note(encode(note)), note);
}

TEST(EnqueueNote, IsNothingWhenCutOrForeign) {
  const std::string line = encode({.number = 7, .queue_dir = "/q", .file = "fspl-x.fspl"});
  for (size_t size = 0; size < line.size(); ++size) {
    EXPECT_FALSE(decode_enqueue_note(line.substr(0, size))) << size;
  }
  EXPECT_FALSE(decode_enqueue_note("penstock-run 1 pid=4\n"));
}

}  // namespace
}  // namespace penstock::spool
