#include "pipeline/filtered_ahead.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "pipeline/seal_check.h"
#include "sys/files.h"
#include "sys/pipe.h"
#include "sys/signals.h"

namespace penstock::pipeline {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr size_t kCapacity = 256UL << 10U;

// Gives each byte twice; a zero is damage, and a stream ends with a one.
class Twice : public StreamFilter {
 public:
  size_t unit() const override { return 1000; }
  Step step(std::span<const uint8_t> input, std::span<uint8_t> output) override {
    Step step;
    while (step.given < output.size()) {
      if (const auto again = std::exchange(again_, std::nullopt)) {
        output[step.given++] = *again;
      } else if (step.taken < input.size()) {
        last_ = input[step.taken++];
        if (last_ == 0) throw BadStream("a zero");
        output[step.given++] = last_;
        again_ = last_;
      } else {
        break;
      }
    }
    return step;
  }
  void end() override {
    if (last_ != 1) throw BadStream("it is cut");
  }

 private:
  std::optional<uint8_t> again_;
  uint8_t last_ = 0;
};

Bytes stream_of(size_t size) {
  Bytes stream(size);
  for (size_t i = 0; i < size; ++i) stream[i] = static_cast<uint8_t>(2 + i * 7 % 251);
  if (size > 0) stream.back() = 1;
  return stream;
}

Bytes twice(const Bytes& bytes) {
  Bytes result;
  for (const uint8_t byte : bytes) result.insert(result.end(), 2, byte);
  return result;
}

class FilteredAheadTest : public testing::Test {
 protected:
  FilteredAheadTest() { sys::ignore_sigpipe(); }

  using Check = std::function<void(std::span<const uint8_t>, bool)>;
  void start(Check check = [](std::span<const uint8_t>, bool) {}) {
    ahead_ = std::make_unique<FilteredAhead>(FilteredAhead::Config{
        .source = pipe_.read.get(),
        .filter = std::make_unique<FilteredInput>(std::make_unique<Twice>(), "twice"),
        .capacity = kCapacity,
        .check = std::move(check),
        .name = "pipe"});
  }
  void wait_for_news() {
    pollfd entry{.fd = ahead_->news(), .events = POLLIN, .revents = 0};
    ASSERT_EQ(::poll(&entry, 1, 20'000), 1);
    ahead_->clear_news();
  }
  // Everything, `at_once` bytes at most at a time.
  Bytes take_everything(size_t at_once) {
    Bytes got;
    for (;;) {
      const auto view = ahead_->look();
      const auto front = view.front.first(std::min(at_once, view.front.size()));
      got.insert(got.end(), front.begin(), front.end());
      ahead_->drop(front.size());
      if (view.is_at_end && front.size() == view.held) return got;
      if (front.empty()) wait_for_news();
    }
  }

  sys::Pipe pipe_ = sys::Pipe::make();
  std::unique_ptr<FilteredAhead> ahead_;
};

class FilteredAheadSizes : public FilteredAheadTest, public testing::WithParamInterface<size_t> {};

TEST_P(FilteredAheadSizes, GivesEveryByteInOrder) {
  const Bytes stream = stream_of(1'000'003);
  start();
  std::thread writer([&] {
    sys::write_all(pipe_.write.get(), stream, "pipe");
    pipe_.write.reset();
  });
  const Bytes got = take_everything(GetParam());
  writer.join();
  EXPECT_EQ(got, twice(stream));
}

INSTANTIATE_TEST_SUITE_P(AtOnce, FilteredAheadSizes, testing::Values(999, 65'537, 1 << 20));

TEST_F(FilteredAheadTest, MakesNoMoreThanItHasRoomFor) {
  std::atomic<uint64_t> made = 0;
  start([&](std::span<const uint8_t> piece, bool) { made += piece.size(); });
  const Bytes stream = stream_of(kCapacity);  // twice as much as there is room for
  std::thread writer([&] {
    sys::write_all(pipe_.write.get(), stream, "pipe");
    pipe_.write.reset();
  });
  size_t most = 0;
  uint64_t dropped = 0;
  for (auto view = ahead_->look(); !view.is_at_end || view.held > 0; view = ahead_->look()) {
    most = std::max(most, view.held);
    EXPECT_EQ(view.made, dropped + view.held);
    if (view.held < kCapacity / 2 && !view.is_at_end) {
      wait_for_news();
      continue;
    }
    ahead_->drop(view.front.size());
    dropped += view.front.size();
  }
  writer.join();
  EXPECT_LE(most, kCapacity);
  EXPECT_EQ(dropped, 2 * stream.size());
  EXPECT_EQ(made, 2 * stream.size());
}

TEST_F(FilteredAheadTest, ThrowsWhatTheFilterThrows) {
  start();
  Bytes stream = stream_of(5000);
  stream[4000] = 0;
  sys::write_all(pipe_.write.get(), stream, "pipe");
  pipe_.write.reset();
  EXPECT_THROW(take_everything(1000), BadStream);
  EXPECT_THROW(ahead_->look(), BadStream);
}

TEST_F(FilteredAheadTest, ThrowsAtTheEndOfACutStream) {
  start();
  Bytes stream = stream_of(5000);
  stream.pop_back();
  sys::write_all(pipe_.write.get(), stream, "pipe");
  pipe_.write.reset();
  EXPECT_THROW(take_everything(1000), BadStream);
}

TEST_F(FilteredAheadTest, ThrowsWhatTheCheckThrows) {
  uint64_t length = 0;
  start([&](std::span<const uint8_t> piece, bool is_last) {
    length += piece.size();
    if (is_last) throw BrokenSeal(BrokenSeal::Cause::cut, "it is cut");
  });
  sys::write_all(pipe_.write.get(), stream_of(5000), "pipe");
  pipe_.write.reset();
  EXPECT_THROW(take_everything(1000), BrokenSeal);
  EXPECT_EQ(length, 10'000U);
}

// The destructor returns, or the test hangs.
TEST_F(FilteredAheadTest, EndsWhereverItWaits) {
  start();  // for its source
  ahead_.reset();
  start();
  sys::set_pipe_size(pipe_.write.get(), 1 << 20);
  sys::write_all(pipe_.write.get(), stream_of(kCapacity), "pipe");
  while (ahead_->look().held <= kCapacity / 2) wait_for_news();  // for room
  ahead_.reset();
}

}  // namespace
}  // namespace penstock::pipeline
