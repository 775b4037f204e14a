// The last link before the command, in one thread (with a filter two): moves bytes from a source
// into the gate's pipe and keeps the newest of them back until the verdict is in. It never closes
// anything and never sets O_NONBLOCK on a description that a stage shares; the write end of the
// gate is ours alone.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "pipeline/filtered_ahead.h"
#include "pipeline/filtered_input.h"
#include "pipeline/seal_check.h"
#include "sys/event_loop.h"
#include "sys/pipe.h"
#include "sys/unique_fd.h"

namespace penstock::pipeline {

// Kept back under `--gate hold`: all of a small payload, the end of a large one.
inline constexpr size_t kHeldBytes = 64UL << 10U;

class Pump {
 public:
  struct Config {
    int source = -1;  // borrowed: a pipe, socket, terminal or file
    int sink = -1;    // borrowed: the gate's write end
    size_t hold = 0;  // bytes kept back until release()
    // A file: exactly this many bytes from `offset` on; fewer is a failure.
    bool is_file = false;
    uint64_t offset = 0;
    uint64_t expected = 0;
    // Checked against all that the source gives, before it counts as drained. The bytes are copied
    // then: of spliced ones nobody knows whether they are those that were hashed. A file is read
    // from where it stands, as any other source.
    std::optional<packet::Seal> seal;
    std::optional<uint64_t> most;  // bytes that the source may give; see payload_limit.h
    bool close_early = false;      // do not read on once nobody reads the sink any more
    // Through which the source is read: what it gives is what counts everywhere here.
    std::unique_ptr<FilteredInput> filter;
    std::string name;  // of the source, for errors
  };
  enum class Phase {
    moving,
    drained,   // the source is at its end; what is held waits for the verdict
    finished,  // everything was passed on, or nobody wanted it
    failed,    // see error()
    stopped,
  };

  // `on_change` is called in the loop's thread after each change of phase.
  Pump(sys::EventLoop& loop, Config config, std::function<void()> on_change);
  Pump(const Pump&) = delete;
  Pump& operator=(const Pump&) = delete;
  // Stops the thread, wherever it waits.
  ~Pump();

  // The verdict is good: pass on what was held.
  void release();
  // Gives up; nothing more is written.
  void stop();

  Phase phase() const { return phase_.load(); }
  // Whether the command's side was closed before everything was written.
  bool sink_gone() const { return sink_gone_.load(); }
  // Failed: because the payload is not the one that was sealed.
  bool seal_is_broken() const { return seal_is_broken_.load(); }
  // Failed: because the source gives more than it may.
  bool is_too_large() const { return is_too_large_.load(); }
  // Failed: because the filter finds the source damaged, cut or of another format. What is left of
  // a source that is no file is read and not looked at, until stop().
  bool is_undecodable() const { return is_undecodable_.load(); }
  // Bytes taken from the source and bytes that went into the sink, so far.
  uint64_t bytes_in() const { return bytes_in_.load(); }
  uint64_t bytes_out() const { return bytes_out_.load(); }
  // Whatever was moved or read: what a filter reads need not come out of it (frames to be skipped).
  uint64_t progress() const {
    return bytes_in() + bytes_out() + (ahead_ ? ahead_->bytes_read() : 0);
  }
  // Why it failed; ready for a user.
  std::string error() const;

 private:
  enum class Wish : int { none, release, stop };

  void run();
  void relay();
  void relay_filtered();
  void relay_by_stash();
  void relay_by_copy();
  void feed_file();
  void finish_or_wait();
  void discard_rest();
  void discard_undecoded();
  bool can_read_source() const;
  size_t read_source(std::span<uint8_t> into);
  void check(std::span<const uint8_t> piece, bool is_last);
  size_t write_some(std::span<const uint8_t> bytes);

  void enter(Phase phase);
  bool wants_stop() const { return wish_.load() == Wish::stop; }
  size_t keep() const { return wish_.load() == Wish::release ? 0 : config_.hold; }
  // Waits until the source has something, the sink takes something, or a wish came; at most 1 s
  // where the sink is waited for, so that a lost wakeup on the command's pipe heals by itself.
  void wait(bool for_source, bool for_sink);

  Config config_;
  sys::Wakeup changed_;
  sys::UniqueFd wish_event_;
  std::atomic<Wish> wish_ = Wish::none;
  std::atomic<Phase> phase_ = Phase::moving;
  std::atomic<bool> sink_gone_ = false;
  std::atomic<bool> seal_is_broken_ = false;
  std::atomic<bool> is_too_large_ = false;
  std::atomic<bool> is_undecodable_ = false;
  std::atomic<uint64_t> bytes_in_ = 0;
  std::atomic<uint64_t> bytes_out_ = 0;
  mutable std::mutex mutex_;
  std::string error_;

  // Used by whatever thread reads the source.
  std::optional<SealCheck> seal_check_;
  uint64_t checked_ = 0;

  // It has a thread of its own; progress() asks it from the loop's.
  std::optional<FilteredAhead> ahead_;

  // Used by the thread only.
  int awaited_ = -1;  // readable where the source, or what is ahead of it, has something
  bool source_ended_ = false;
  sys::Pipe stash_;
  size_t stashed_ = 0;

  std::thread thread_;  // last: starts when all else is there
};

}  // namespace penstock::pipeline
