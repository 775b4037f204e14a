// work/: run one job, drain one queue. This file: reading the headers of a queue's job files,
// through a decoder or without, each once a run.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "packet/metadata.h"
#include "pipeline/decoder_string.h"
#include "pipeline/engine.h"
#include "pipeline/header_read.h"
#include "pipeline/options.h"
#include "pipeline/upstream.h"
#include "spool/job_directory.h"
#include "spool/job_set.h"
#include "work/trust.h"

namespace penstock::work {

// How to get at what is in a job file.
struct Decoding {
  std::optional<pipeline::DecoderPlan> plan;  // none: job files are plain
  std::optional<std::chrono::milliseconds> header_timeout =
      std::chrono::milliseconds(60'000);  // none: no limit
  std::optional<Trust> trust;             // none: signatures are not looked at
};

// A decoder that has given a header and waits, its clock stopped, for its job's turn.
struct Parked {
  spool::ScannedJob job;
  packet::Metadata metadata;
  std::unique_ptr<pipeline::Upstream> upstream;
};

class Scanner {
 public:
  // Borrows everything.
  Scanner(pipeline::Engine& engine, const pipeline::Options& options,
          const spool::JobDirectory& jobs, const Decoding& decoding);
  ~Scanner();

  // Reads the headers of all files that `set` does not know yet and that were not found unreadable
  // before, and adds them. A file that gives none is skipped with a warning; it never stops the
  // others. Nor does one whose signature is not what is asked for: what it says of itself, its
  // number too, is not used. Throws Error if the decoder cannot be started at all, or a header took
  // too long. `wanted`: whose decoder is kept for open(). Comes back early once `cancelled` says
  // so.
  void scan(spool::JobSet& set, std::optional<uint64_t> wanted,
            const std::function<bool()>& cancelled);

  // Starts the decoder of a job whose turn will be next, so that its header is there by then.
  void look_ahead(const spool::ScannedJob& job);

  // Header, file and decoder of one job, at its turn.
  struct Opened {
    packet::Metadata metadata;
    spool::JobFile file;                           // plain: stands at the payload
    uint64_t payload_offset = 0;                   // plain
    std::unique_ptr<pipeline::Upstream> upstream;  // with a decoder
  };
  // Nothing if the file is gone, or another one, or without a header by now: then a rescan is due
  // (D10). `reason` says which. Throws like scan().
  std::optional<Opened> open(const spool::ScannedJob& job, std::string& reason,
                             const std::function<bool()>& cancelled);

  // Files that were skipped so far.
  size_t skipped() const { return skipped_total_; }
  // Ends a decoder that is not wanted any more.
  void retire(std::unique_ptr<pipeline::Upstream> upstream);

 private:
  // More files than this with one and the same reason are told as a number, unless debugging.
  static constexpr size_t kToldForOneReason = 3;

  struct Reading {
    std::string name;
    spool::FileIdentity id;
    std::unique_ptr<pipeline::Upstream> upstream;
    std::unique_ptr<pipeline::HeaderRead> header;
    bool done = false;
  };

  void read_plain(const std::string& name, spool::JobFile file, spool::JobSet& set);
  std::unique_ptr<Reading> start_reading(const std::string& name, spool::JobFile file);
  void collect_finished(spool::JobSet& set, std::optional<uint64_t> wanted);
  void finish_reading(Reading& reading, spool::JobSet& set, std::optional<uint64_t> wanted);
  void skip(const std::string& name, const spool::FileIdentity& id, const std::string& reason,
            size_t told_at_most = kToldForOneReason);
  void summarize_skipped();
  void bury_the_dead();
  // The decoder of this very file, if it was kept. One that was kept for another is let go.
  std::unique_ptr<Parked> take_parked(const spool::ScannedJob& job);
  std::unique_ptr<pipeline::Upstream> decode(sys::UniqueFd file);
  std::optional<std::string> objection_to(const packet::HeaderReader& header) const;

  pipeline::Engine& engine_;
  const pipeline::Options& options_;
  const spool::JobDirectory& jobs_;
  const Decoding& decoding_;
  std::list<std::unique_ptr<Reading>> readings_;
  std::vector<std::unique_ptr<pipeline::Upstream>> retiring_;
  std::unique_ptr<Parked> parked_;
  std::unique_ptr<Reading> ahead_;  // a look-ahead that may not have its header yet
  std::map<std::string, spool::FileIdentity> unreadable_;
  struct SkippedFor {
    size_t told = 0;    // a line each
    size_t untold = 0;  // a number
  };
  std::map<std::string, SkippedFor> skipped_for_;  // by reason, files of this scan
  size_t skipped_total_ = 0;
};

}  // namespace penstock::work
