#include "pipeline/pump.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <utility>

#include "base/error.h"
#include "sys/files.h"
#include "sys/signals.h"

namespace penstock::pipeline {
namespace {

// A pump between two pipes, with a writer and a reader of the test's own.
class PumpTest : public testing::Test {
 protected:
  PumpTest() { sys::ignore_sigpipe(); }

  void start(size_t hold) {
    pump_ = std::make_unique<Pump>(
        loop_,
        Pump::Config{
            .source = in_.read.get(), .sink = out_.write.get(), .hold = hold, .name = "input"},
        [] {});
  }
  void turn_until(Pump::Phase phase) {
    loop_.run_until([&] { return pump_->phase() == phase; });
  }
  static std::string random_text(size_t size) {
    std::mt19937_64 random(42);
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>(random());
    return text;
  }
  std::string read_everything() const {
    std::string text;
    std::array<uint8_t, 4096> block{};
    while (const size_t count = sys::read_some(out_.read.get(), block, "sink")) {
      text.append(reinterpret_cast<const char*>(block.data()), count);
    }
    return text;
  }

  sys::EventLoop loop_;
  sys::Pipe in_ = sys::Pipe::make();
  sys::Pipe out_ = sys::Pipe::make();
  std::unique_ptr<Pump> pump_;
};

TEST_F(PumpTest, KeepsASmallPayloadBackUntilReleased) {
  start(kHeldBytes);
  sys::write_all(in_.write.get(), "hello", "in");
  in_.write.reset();
  turn_until(Pump::Phase::drained);
  EXPECT_EQ(sys::bytes_queued(out_.read.get()), 0U);
  pump_->release();
  turn_until(Pump::Phase::finished);
  out_.write.reset();
  EXPECT_EQ(read_everything(), "hello");
}

class PumpSizes : public PumpTest, public testing::WithParamInterface<size_t> {};

TEST_P(PumpSizes, PassesEveryByteInOrderAndHoldsTheLast64KiB) {
  const std::string text = random_text(GetParam());
  start(kHeldBytes);
  std::thread writer([&] {
    sys::write_all(in_.write.get(), text, "in");
    in_.write.reset();
  });
  std::string got;
  std::thread reader([&] { got = read_everything(); });
  // With nothing to hold there is nothing to wait for.
  turn_until(text.empty() ? Pump::Phase::finished : Pump::Phase::drained);
  writer.join();
  EXPECT_LE(pump_->bytes_out(), text.size() > kHeldBytes ? text.size() - kHeldBytes : 0);
  pump_->release();
  turn_until(Pump::Phase::finished);
  out_.write.reset();
  reader.join();
  EXPECT_TRUE(got == text) << got.size();
}

INSTANTIATE_TEST_SUITE_P(Sizes, PumpSizes,
                         testing::Values(0, 1, 65535, 65536, 65537, 200000, 1 << 20, 5000001));

TEST_F(PumpTest, CopiesWhereManySmallWritesRunTheSlotsOut) {
  // 1-byte packets take a slot of the pipe each, so the stash is full long before it holds 64 KiB.
  in_.read.reset();
  in_.write.reset();
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC | O_DIRECT), 0);
  in_.read.reset(ends[0]);
  in_.write.reset(ends[1]);
  const std::string text = random_text(30000);
  start(kHeldBytes);
  for (const char c : text) sys::write_all(in_.write.get(), std::string_view(&c, 1), "in");
  in_.write.reset();
  turn_until(Pump::Phase::drained);
  EXPECT_EQ(pump_->bytes_out(), 0U);
  pump_->release();
  turn_until(Pump::Phase::finished);
  out_.write.reset();
  EXPECT_TRUE(read_everything() == text);
}

TEST_F(PumpTest, CountsWhatWasSplicedBeforeItCopiesAsWell) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC | O_DIRECT), 0);
  in_.read.reset(ends[0]);
  in_.write.reset(ends[1]);
  const std::string text = random_text(5000);
  pump_ = std::make_unique<Pump>(loop_,
                                 Pump::Config{.source = in_.read.get(),
                                              .sink = out_.write.get(),
                                              .hold = kHeldBytes,
                                              .most = text.size() - 1,
                                              .name = "input"},
                                 [] {});
  for (const char c : text) sys::write_all(in_.write.get(), std::string_view(&c, 1), "in");
  in_.write.reset();
  loop_.run_until([&] { return pump_->phase() != Pump::Phase::moving; });
  EXPECT_EQ(pump_->phase(), Pump::Phase::failed);
  EXPECT_TRUE(pump_->is_too_large());
}

TEST_F(PumpTest, ReadsOnWhenNobodyWantsTheBytes) {
  start(kHeldBytes);
  out_.read.reset();
  const std::string text = random_text(3000000);
  std::thread writer([&] {
    sys::write_all(in_.write.get(), text, "in");
    in_.write.reset();
  });
  turn_until(Pump::Phase::finished);
  writer.join();
  EXPECT_TRUE(pump_->sink_gone());
  EXPECT_EQ(pump_->bytes_in(), text.size());
}

TEST_F(PumpTest, CanBeStoppedWhereverItWaits) {
  start(kHeldBytes);
  pump_.reset();  // waits for its source
  start(0);
  sys::write_all(in_.write.get(), random_text(60000), "in");
  while (pump_->bytes_out() < 60000) loop_.run_until([] { return true; });
  sys::write_all(in_.write.get(), random_text(60000), "in");
  pump_.reset();  // the sink is full by now, or will be
}

TEST_F(PumpTest, SaysThatAFileShrank) {
  const sys::UniqueFd file = sys::make_memfd("payload");
  sys::write_all(file.get(), random_text(1000), "file");
  pump_ = std::make_unique<Pump>(loop_,
                                 Pump::Config{.source = file.get(),
                                              .sink = out_.write.get(),
                                              .is_file = true,
                                              .offset = 100,
                                              .expected = 1000,
                                              .name = "fspl-x.fspl"},
                                 [] {});
  turn_until(Pump::Phase::failed);
  EXPECT_EQ(pump_->error(),
            "fspl-x.fspl shrank while it was fed: 100 of 1000 payload bytes are missing");
}

class SealedPump : public PumpTest {
 protected:
  static packet::Seal seal_of(std::string_view text) {
    sys::Blake2b digest;
    digest.add(sys::as_bytes(text));
    return {.length = text.size(), .digest = digest.finish()};
  }
  void start_sealed(size_t hold, std::string_view sealed) {
    pump_ = std::make_unique<Pump>(loop_,
                                   Pump::Config{.source = in_.read.get(),
                                                .sink = out_.write.get(),
                                                .hold = hold,
                                                .seal = seal_of(sealed),
                                                .name = "input"},
                                   [] {});
  }
  void write_and_close(const std::string& text) {
    sys::write_all(in_.write.get(), text, "in");
    in_.write.reset();
  }
  // By the pump that was started; the last 64 KiB only when they are released.
  void expect_all_passed(const std::string& text) {
    std::thread writer([&] { write_and_close(text); });
    std::string got;
    std::thread reader([&] { got = read_everything(); });
    turn_until(text.empty() ? Pump::Phase::finished : Pump::Phase::drained);
    writer.join();
    EXPECT_EQ(pump_->bytes_in(), text.size());
    EXPECT_EQ(pump_->bytes_out(), text.size() - std::min(text.size(), kHeldBytes));
    pump_->release();
    turn_until(Pump::Phase::finished);
    out_.write.reset();
    reader.join();
    EXPECT_TRUE(got == text) << text.size();
    pump_.reset();
  }
};

TEST_F(SealedPump, PassesEveryByteOfWhatWasSealed) {
  for (const size_t size : {0UL, 1UL, 65535UL, 65536UL, 65537UL, 3000000UL}) {
    in_ = sys::Pipe::make();
    out_ = sys::Pipe::make();
    const std::string text = random_text(size);
    start_sealed(kHeldBytes, text);
    expect_all_passed(text);
  }
}

TEST_F(SealedPump, IsNeverDrainedOfACutPayload) {
  start_sealed(kHeldBytes, random_text(2000));
  write_and_close(random_text(1000));
  turn_until(Pump::Phase::failed);
  EXPECT_TRUE(pump_->seal_is_broken());
  EXPECT_EQ(pump_->error(), "the payload is cut: 1000 of 2000 bytes");
  EXPECT_EQ(pump_->bytes_out(), 0U);
}

TEST_F(SealedPump, WritesNoByteBeyondWhatWasSealed) {
  start_sealed(0, random_text(2000));
  write_and_close(random_text(2001));
  turn_until(Pump::Phase::failed);
  EXPECT_TRUE(pump_->seal_is_broken());
  EXPECT_LE(pump_->bytes_out(), 2000U);
}

TEST_F(SealedPump, JudgesWhatNobodyWantsAsWell) {
  out_.read.reset();
  const std::string text = random_text(50000);
  start_sealed(0, text);
  std::string other = text;
  other.back() = static_cast<char>(other.back() + 1);
  write_and_close(other);
  turn_until(Pump::Phase::failed);
  EXPECT_TRUE(pump_->sink_gone());
  EXPECT_EQ(pump_->error(), "the payload is altered: its digest differs from its seal");
}

// Passes everything on; a stream whose last byte is 0 is cut, one that begins with 'd' is damaged,
// and one that begins with 's' is to be skipped.
class Through : public StreamFilter {
 public:
  size_t unit() const override { return 4096; }
  Step step(std::span<const uint8_t> input, std::span<uint8_t> output) override {
    if (!first_ && !input.empty()) first_ = input.front();
    if (first_ == 'd') throw BadStream("it is damaged");
    if (first_ == 's') return {.taken = input.size(), .given = 0};
    const size_t count = std::min(input.size(), output.size());
    std::copy_n(input.begin(), count, output.begin());
    if (count > 0) last_ = input[count - 1];
    return {.taken = count, .given = count};
  }
  void end() override {
    if (last_ == 0) throw BadStream("it is cut");
  }

 private:
  std::optional<uint8_t> first_;
  uint8_t last_ = 1;
};

class FilteredPump : public SealedPump {
 protected:
  void start_filtered(Pump::Config more) {
    more.source = in_.read.get();
    more.sink = out_.write.get();
    more.filter = std::make_unique<FilteredInput>(std::make_unique<Through>(), "through");
    more.name = "input";
    pump_ = std::make_unique<Pump>(loop_, std::move(more), [] {});
  }
  static std::string text_ending(size_t size, char last) {
    std::string text = random_text(size);
    if (size > 0) text.back() = last;
    return text;
  }
};

TEST_F(FilteredPump, PassesEveryByteInOrderAndHoldsTheLast64KiB) {
  for (const size_t size : {0UL, 1UL, 65535UL, 65536UL, 65537UL, 5000000UL}) {
    in_ = sys::Pipe::make();
    out_ = sys::Pipe::make();
    const std::string text = text_ending(size, 'x');
    start_filtered({.hold = kHeldBytes, .seal = seal_of(text), .most = size});
    expect_all_passed(text);
  }
}

TEST_F(FilteredPump, IsNeverDrainedOfADamagedStream) {
  start_filtered({.hold = kHeldBytes});
  write_and_close(text_ending(50000, 0));
  turn_until(Pump::Phase::failed);
  EXPECT_TRUE(pump_->is_undecodable());
  EXPECT_EQ(pump_->error(), "through (decoded in our own process): it is cut");
  EXPECT_EQ(pump_->bytes_out(), 0U);
}

TEST_F(FilteredPump, ReadsWhatIsLeftOfADamagedStream) {
  in_ = sys::Pipe::make();
  start_filtered({.hold = kHeldBytes});
  std::thread writer([&] { write_and_close('d' + std::string(3000000, 'x')); });
  turn_until(Pump::Phase::failed);
  writer.join();  // or the test hangs
  EXPECT_TRUE(pump_->is_undecodable());
}

TEST_F(FilteredPump, JudgesWhatNobodyWantsAsWell) {
  out_.read.reset();
  start_filtered({});
  std::thread writer([&] { write_and_close(text_ending(3000000, 0)); });
  turn_until(Pump::Phase::failed);
  writer.join();
  EXPECT_TRUE(pump_->sink_gone());
  EXPECT_TRUE(pump_->is_undecodable());
}

TEST_F(FilteredPump, MakesProgressWhereNothingComesOut) {
  start_filtered({});
  const std::string skipped(3000000, 's');
  std::thread writer([&] { write_and_close(skipped); });
  turn_until(Pump::Phase::finished);
  writer.join();
  EXPECT_EQ(pump_->bytes_in(), 0U);
  EXPECT_EQ(pump_->progress(), skipped.size());
}

TEST_F(FilteredPump, EndsEarlyWhereNobodyWantsTheRest) {
  start_filtered({.close_early = true});
  constexpr size_t kWhole = 12 * 4096;                              // all that is read is passed on
  sys::write_all(in_.write.get(), text_ending(kWhole, 'x'), "in");  // and no end
  while (pump_->progress() < 3 * kWhole) std::this_thread::yield();
  out_.read.reset();
  turn_until(Pump::Phase::finished);
  EXPECT_TRUE(pump_->sink_gone());
  in_.read.reset();  // which nobody reads any more
  EXPECT_THROW(sys::write_all(in_.write.get(), "more", "in"), Error);
}

TEST_F(FilteredPump, FindsABrokenSealAndTooLargeAPayload) {
  start_filtered({.seal = seal_of(random_text(2000))});
  write_and_close(text_ending(2000, 'x'));
  turn_until(Pump::Phase::failed);
  EXPECT_TRUE(pump_->seal_is_broken());
  in_ = sys::Pipe::make();
  start_filtered({.most = 1999});
  write_and_close(text_ending(2000, 'x'));
  turn_until(Pump::Phase::failed);
  EXPECT_TRUE(pump_->is_too_large());
}

TEST_F(FilteredPump, CanBeStoppedWhereverItWaits) {
  start_filtered({});  // for its source
  pump_.reset();
  ASSERT_TRUE(sys::set_pipe_size(in_.write.get(), 1 << 20));
  write_and_close(text_ending(1 << 20, 'x'));
  start_filtered({});
  while (pump_->bytes_out() < sys::pipe_size(out_.write.get())) std::this_thread::yield();
  pump_.reset();  // for its sink
}

}  // namespace
}  // namespace penstock::pipeline
