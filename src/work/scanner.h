// work/: run one job, drain one queue. This file: reading the headers of a queue's job files,
// through a decoder or without, each once a run.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
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
#include "spool/header_index.h"
#include "spool/job_directory.h"
#include "spool/job_set.h"
#include "work/header_peek.h"
#include "work/told.h"
#include "work/trust.h"

namespace penstock::work {

// How to get at what is in a job file.
struct Decoding {
  std::optional<pipeline::DecoderPlan> plan;  // none: job files are plain
  std::optional<std::chrono::milliseconds> header_timeout =
      std::chrono::milliseconds(60'000);  // none: no limit
  std::optional<Trust> trust;             // none: signatures are not looked at
  size_t readings_at_once = 0;  // decoders that read headers side by side; 0: by processors
  // With a decoder: what of the index is believed.
  enum class Index {
    none,      // it is neither read nor stored
    headers,   // a file that gave no header is decoded again
    failures,  // such a file is only decoded again after a while
  };
  Index index = Index::failures;
  bool is_builtin = true;    // headers are decoded in our own process where the plan allows it
  bool takes_whole = false;  // and so are small jobs, at their turn
  std::string description;   // all that headers depend on besides their files
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
  Scanner(pipeline::Engine& engine, const pipeline::Options& options, const spool::Queue& queue,
          const spool::JobDirectory& jobs, const Decoding& decoding, Told* told = nullptr);
  ~Scanner();

  // Reads the headers of all files that `set` does not know yet and that were not found unreadable
  // before, and adds them. A file that gives none is skipped with a warning; it never stops the
  // others. Nor does one whose signature is not what is asked for: what it says of itself, its
  // number too, is not used. Throws Error if the decoder cannot be started at all, or a header took
  // too long. `wanted`: whose decoder is kept for open(). Comes back early once `cancelled` says
  // so.
  void scan(spool::JobSet& set, std::optional<uint64_t> wanted,
            const std::function<bool()>& cancelled);

  // Stores the headers of `set` for the next run, and why others gave none. For the end of a run:
  // what it has done by then needs no place.
  void save_index(const spool::JobSet& set);
  // The same where no scan will follow: its memory is free then.
  void close_index(const spool::JobSet& set);

  // Starts the decoders of the jobs whose turn will be next, so that their headers are there by
  // then. In the order of their turns.
  void look_ahead(const std::vector<spool::ScannedJob>& jobs);

  // Header, file and decoder of one job, at its turn.
  struct Opened {
    packet::Metadata metadata;
    spool::JobFile file;                           // plain: stands at the payload
    uint64_t payload_offset = 0;                   // plain
    std::unique_ptr<pipeline::Upstream> upstream;  // with a decoder
    struct Decoded {
      sys::UniqueFd fd;
      uint64_t size = 0;
    };
    std::optional<Decoded> decoded;  // instead of a decoder: a small payload, good to its end
  };
  // Nothing if the file is gone, or another one, or without a header by now: then a rescan is due
  // (D10). `reason` says which. Throws like scan().
  std::optional<Opened> open(const spool::ScannedJob& job, std::string& reason,
                             const std::function<bool()>& cancelled);

  // A file that turned out to be of no use at its turn: told like those that scan() skips, and not
  // looked at again by this run.
  void pass_over(const spool::ScannedJob& job, const std::string& reason);

  // Files that were skipped so far.
  size_t skipped() const { return skipped_total_; }
  // Ends a decoder that is not wanted any more.
  void retire(std::unique_ptr<pipeline::Upstream> upstream);

 private:
  // More files than this with one and the same reason are told as a number, unless debugging.
  static constexpr size_t kToldForOneReason = 3;

  // The file that a header comes from.
  struct Source {
    std::string name;
    spool::FileIdentity id;
    std::optional<Timestamp> stood_since;

    bool is_of(const std::string& file, const spool::FileIdentity& identity) const {
      return name == file && id == identity;
    }
  };
  struct Reading : Source {
    std::unique_ptr<pipeline::Upstream> upstream;
    std::unique_ptr<pipeline::HeaderRead> header;
    std::optional<HeaderPeek::Whole> whole;  // then there is no decoder
    bool done = false;
  };

  // Whether the index spares us to read this file.
  bool is_known(const std::string& name, spool::JobSet& set);
  bool is_known_here(const std::string& name, const spool::FileIdentity& id,
                     const spool::JobSet& set) const;
  void save_now_and_then(const spool::JobSet& set);
  void read_plain(const std::string& name, const spool::JobFile& file, spool::JobSet& set);
  // Whether no decoder has to be asked.
  bool read_in_process(const std::string& name, const spool::JobFile& file, spool::JobSet& set);
  // Adds the job, unless its signature is not what is asked for.
  std::optional<spool::ScannedJob> take_header(const Source& source,
                                               const packet::HeaderReader& header,
                                               spool::JobSet& set);
  std::unique_ptr<Reading> start_reading(const std::string& name, spool::JobFile file);
  // For a job's turn. A small one is read to its end at once.
  std::unique_ptr<Reading> start_turn(const std::string& name, spool::JobFile file);
  void collect_finished(spool::JobSet& set, std::optional<uint64_t> wanted);
  void finish_reading(Reading& reading, spool::JobSet& set, std::optional<uint64_t> wanted);
  void skip(const std::string& name, const spool::FileIdentity& id, const std::string& reason,
            size_t told_at_most = kToldForOneReason);
  void remember_failure(const Source& source, const std::string& reason);
  void summarize_skipped();
  void bury_the_dead();
  // The decoder of this very file, if it was kept. One that was kept for another is let go.
  std::unique_ptr<Parked> take_parked(const spool::ScannedJob& job);
  // The reading of this very file that was begun ahead of its turn. What was begun for files whose
  // turn it would have been before is let go.
  std::unique_ptr<Reading> take_ahead(const spool::ScannedJob& job);
  std::unique_ptr<pipeline::Upstream> decode(sys::UniqueFd file);
  std::optional<std::string> objection_to(const packet::HeaderReader& header) const;
  bool only_signed_count() const;
  std::optional<Opened> open_as_it_is(const spool::ScannedJob& job, std::string& reason,
                                      const std::function<bool()>& cancelled);
  std::optional<Opened> take_whole(Opened opened, HeaderPeek::Whole& whole,
                                   const spool::ScannedJob& job, std::string& reason);

  pipeline::Engine& engine_;
  const pipeline::Options& options_;
  const spool::JobDirectory& jobs_;
  const Decoding& decoding_;
  Told* told_;
  std::unique_ptr<HeaderPeek> peek_;
  std::optional<spool::HeaderIndex> index_;
  bool index_is_loaded_ = false;
  bool saw_every_file_ = false;
  bool is_first_scan_ = true;  // nothing is known yet
  std::chrono::steady_clock::time_point last_save_;
  std::list<std::unique_ptr<Reading>> readings_;
  std::vector<std::unique_ptr<pipeline::Upstream>> retiring_;
  std::unique_ptr<Parked> parked_;
  std::deque<std::unique_ptr<Reading>> ahead_;  // by turn; they may not have their headers yet
  std::map<std::string, spool::FileIdentity> unreadable_;
  struct SkippedFor {
    size_t told = 0;    // a line each
    size_t untold = 0;  // a number
  };
  std::map<std::string, SkippedFor> skipped_for_;  // by reason, files of this scan
  size_t skipped_total_ = 0;
  size_t failures_from_index_ = 0;  // of this scan
};

}  // namespace penstock::work
