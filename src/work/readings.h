// Headers that are being read through decoders: from a decoder's start to its end, whoever wanted
// the header.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/engine.h"
#include "pipeline/header_read.h"
#include "pipeline/options.h"
#include "pipeline/upstream.h"
#include "spool/file_identity.h"
#include "spool/job_directory.h"
#include "work/decoding.h"
#include "work/header_peek.h"
#include "work/stream_decoder.h"

namespace penstock::work {

// The file that a header comes from.
struct Source {
  std::string name;
  spool::FileIdentity id;
  // Its ctime, if that was old enough by the time of reading for any later change to show in it.
  std::optional<Timestamp> stood_since;

  bool is_of(const std::string& file, const spool::FileIdentity& identity) const {
    return name == file && id == identity;
  }
};

// `changed`, a ctime, unless it is of right now.
std::optional<Timestamp> stood_since(const Timestamp& changed);

struct Reading : Source {
  std::unique_ptr<pipeline::Upstream> upstream;
  std::unique_ptr<pipeline::HeaderRead> header;
  std::optional<HeaderPeek::Whole> whole;  // then there is no decoder
  sys::UniqueFd file;                      // with a filter: for the tool in whose place it is,
  bool is_second_try = false;              // which then reads it
  bool done = false;
};

class Readings {
 public:
  // Borrows everything.
  Readings(pipeline::Engine& engine, const pipeline::Options& options, const Decoding& decoding);
  // Waits for the decoders that were let go: nothing of ours is left behind.
  ~Readings();
  Readings(const Readings&) = delete;
  Readings& operator=(const Readings&) = delete;

  pipeline::Engine& engine() { return engine_; }
  const Decoding& decoding() const { return decoding_; }

  // The header without a process, where that can be had.
  bool can_peek() const { return peek_ != nullptr; }
  std::optional<packet::HeaderReader> peek(const spool::JobFile& file);

  std::unique_ptr<Reading> start(const std::string& name, spool::JobFile file);
  // For a job's turn. A small one is read to its end at once.
  std::unique_ptr<Reading> start_turn(const std::string& name, spool::JobFile file);

  // Whether a decoder may run beside others by now. The first one of gpg is alone until it has
  // given its header, or none: it starts the agent if there is none. Several that find none get
  // into each other's way, and sleep.
  bool may_run_side_by_side() const { return !first_goes_alone_ || first_is_over_; }
  // Whether another decoder may run beside `running` ones.
  bool has_room_beside(size_t running) const;
  // Ends a decoder that is not wanted any more; null is none.
  void retire(std::unique_ptr<pipeline::Upstream> upstream);
  void let_go(Reading& reading);
  void bury_the_dead();

 private:
  void decode(Reading& reading, sys::UniqueFd file, const BuiltinLastStage* last_stage);
  void read_header(Reading& reading);
  void finish_header(Reading& reading);
  // For decoders that cannot do it themselves; waits for it, but not for long. A failure is theirs.
  void launch_agent();

  pipeline::Engine& engine_;
  const pipeline::Options& options_;
  const Decoding& decoding_;
  std::unique_ptr<HeaderPeek> peek_;
  std::optional<BuiltinLastStage> last_stage_;
  // Headers that a filter has found, and those that only the tool has.
  size_t hits_ = 0;
  size_t misses_ = 0;
  const bool first_goes_alone_;
  bool first_is_over_ = false;
  bool agent_was_launched_ = false;
  pipeline::Options launch_options_;  // the agent is nobody's job, and lives on
  std::vector<std::unique_ptr<pipeline::Upstream>> retiring_;
};

}  // namespace penstock::work
