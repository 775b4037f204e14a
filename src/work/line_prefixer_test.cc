#include "work/line_prefixer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <string>
#include <utility>

namespace penstock::work {
namespace {

class LinePrefixerTest : public ::testing::Test {
 protected:
  LinePrefixerTest() {
    prefixer_.emplace(loop_, std::move(in_.read), out_.write.get(),
                      "q: ", [this] { return asked_++ < 2; });
    EXPECT_GE(::fcntl(out_.write.get(), F_SETPIPE_SZ, 1 << 20), 1 << 20);
  }
  void put(const std::string& text) {
    ASSERT_EQ(::write(in_.write.get(), text.data(), text.size()),
              static_cast<ssize_t>(text.size()));
    loop_.turn();
  }
  std::string got() const {
    std::string text(1 << 20, 0);
    ::fcntl(out_.read.get(), F_SETFL, O_NONBLOCK);
    const ssize_t count = ::read(out_.read.get(), text.data(), text.size());
    return count <= 0 ? "" : text.substr(0, static_cast<size_t>(count));
  }

  struct Pipe {
    Pipe() {
      std::array<int, 2> ends{};
      EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
      read.reset(ends[0]);
      write.reset(ends[1]);
    }
    sys::UniqueFd read;
    sys::UniqueFd write;
  };
  sys::EventLoop loop_;
  Pipe in_;
  Pipe out_;
  int asked_ = 0;  // whether to go on waiting
  std::optional<LinePrefixer> prefixer_;
};

TEST_F(LinePrefixerTest, WaitsForAReaderOnlyAsLongAsItMay) {
  const std::string full(1 << 20, 'x');
  ASSERT_EQ(::write(out_.write.get(), full.data(), full.size()), 1 << 20);
  put("one\n");
  EXPECT_EQ(asked_, 3);
  EXPECT_TRUE(prefixer_->is_at_end());
}

TEST_F(LinePrefixerTest, NamesEachLine) {
  put("one\n\ntwo\n");
  EXPECT_EQ(got(), "q: one\nq: \nq: two\n");
}

TEST_F(LinePrefixerTest, KeepsWhatIsNotEndedForTheRest) {
  put("one\ntw");
  EXPECT_EQ(got(), "q: one\n");
  put("o\n");
  EXPECT_EQ(got(), "q: two\n");
}

TEST_F(LinePrefixerTest, EndsTheLastLineAtTheEnd) {
  put("one");
  in_.write.reset();
  loop_.turn();
  EXPECT_EQ(got(), "q: one\n");
  EXPECT_TRUE(prefixer_->is_at_end());
}

// A daemon that a job has left behind may keep the pipe open for ever.
TEST_F(LinePrefixerTest, DoesNotWaitForTheEndToFinish) {
  put("one");
  prefixer_->finish();
  EXPECT_EQ(got(), "q: one\n");
  EXPECT_TRUE(prefixer_->is_at_end());
  prefixer_->finish();
  EXPECT_EQ(got(), "");
}

TEST_F(LinePrefixerTest, TakesWhatIsThereToFinish) {
  ASSERT_GE(::fcntl(in_.write.get(), F_SETPIPE_SZ, 1 << 20), 1 << 20);
  const std::string line(99, 'x');
  std::string text;
  for (int i = 0; i < 5000; ++i) text += line + "\n";
  ASSERT_EQ(::write(in_.write.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  prefixer_->finish();
  EXPECT_EQ(got().size(), text.size() + size_t{5000} * 3);
}

TEST_F(LinePrefixerTest, PassesOnALineWithoutEndInParts) {
  const std::string part(60000, 'x');
  put(part);
  EXPECT_EQ(got(), "");
  put(part);
  EXPECT_EQ(got(), "q: " + part + part + "\n");
  put("y\n");
  EXPECT_EQ(got(), "q: y\n");
}

TEST_F(LinePrefixerTest, ClosesThePipeWhereNobodyReadsAnyMore) {
  ::signal(SIGPIPE, SIG_IGN);
  out_.read.reset();
  put("one\n");
  EXPECT_TRUE(prefixer_->is_at_end());
  EXPECT_EQ(::write(in_.write.get(), "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
}

}  // namespace
}  // namespace penstock::work
