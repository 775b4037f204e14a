#include "pipeline/pump.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <random>

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
};

TEST_F(SealedPump, PassesEveryByteOfWhatWasSealed) {
  for (const size_t size : {0UL, 1UL, 65535UL, 65536UL, 65537UL, 3000000UL}) {
    in_ = sys::Pipe::make();
    out_ = sys::Pipe::make();
    const std::string text = random_text(size);
    start_sealed(kHeldBytes, text);
    std::thread writer([&] { write_and_close(text); });
    std::string got;
    std::thread reader([&] { got = read_everything(); });
    turn_until(text.empty() ? Pump::Phase::finished : Pump::Phase::drained);
    writer.join();
    EXPECT_LE(pump_->bytes_out(), size > kHeldBytes ? size - kHeldBytes : 0);
    pump_->release();
    turn_until(Pump::Phase::finished);
    out_.write.reset();
    reader.join();
    EXPECT_TRUE(got == text) << size;
    pump_.reset();
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

}  // namespace
}  // namespace penstock::pipeline
