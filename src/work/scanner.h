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
#include <utility>
#include <vector>

#include "pipeline/engine.h"
#include "pipeline/options.h"
#include "pipeline/upstream.h"
#include "spool/header_index.h"
#include "spool/job_directory.h"
#include "spool/job_set.h"
#include "work/decoding.h"
#include "work/job_opener.h"
#include "work/readings.h"
#include "work/told.h"

namespace penstock::work {

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
  // so. Where names are believed, a file whose name ends with a later number than `wanted` is not
  // read but added as a guess; if nobody is found who is `wanted`, the guesses are read, or as many
  // as one run is to read, if the index keeps them from being read again by the next: a name that
  // lies is found out.
  void scan(spool::JobSet& set, std::optional<uint64_t> wanted,
            const std::function<bool()>& cancelled);
  // Reads the headers of the guesses at `number`, which is due; what is another job is that one
  // from now on. Throws like scan(). The decoder of the first one is kept for open().
  // `waits`: as for open().
  void confirm(spool::JobSet& set, uint64_t number, const std::function<bool()>& cancelled,
               const std::function<void()>& waits);
  // From now on every file is read, whatever its name says.
  void distrust_names() { believes_names_ = false; }

  // Stores the headers of `set` for the next run, and why others gave none. For the end of a run:
  // what it has done by then needs no place.
  // Whether it could.
  bool save_index(const spool::JobSet& set);
  // The same where no scan will follow: its memory is free then.
  void close_index(const spool::JobSet& set);

  // As JobOpener has them; open() also sees to it that the header is still this job's. If it gives
  // nothing, a rescan is due (D10).
  void look_ahead(const std::vector<spool::ScannedJob>& jobs) { opener_.look_ahead(jobs); }
  std::optional<OpenedJob> open(const spool::ScannedJob& job, std::string& reason,
                                const std::function<bool()>& cancelled,
                                const std::function<void()>& waits);
  // Ends a decoder that is not wanted any more.
  void retire(std::unique_ptr<pipeline::Upstream> upstream) {
    readings_.retire(std::move(upstream));
  }

  // A file that turned out to be of no use at its turn: told like those that scan() skips, and not
  // looked at again by this run.
  void pass_over(const spool::ScannedJob& job, const std::string& reason);

  // What else the last scan saw; once.
  std::vector<std::string> take_temporaries() { return std::exchange(temporaries_, {}); }

  // Files that were skipped so far.
  size_t skipped() const { return skipped_total_; }

 private:
  // More files than this with one and the same reason are told as a number, unless debugging.
  static constexpr size_t kToldForOneReason = 3;

  // Whether its name spares us to read this file now.
  bool is_put_off(const std::string& name, uint64_t wanted, spool::JobSet& set);
  void look_behind_names(spool::JobSet& set, std::optional<uint64_t> wanted,
                         const std::function<bool()>& cancelled);
  void read_guesses(const std::vector<spool::ScannedJob>& guesses, spool::JobSet& set,
                    std::optional<uint64_t> wanted, const std::function<bool()>& cancelled);
  void begin_guesses(const std::vector<spool::ScannedJob>& guesses, spool::JobSet& set,
                     std::optional<uint64_t> wanted, const std::function<bool()>& cancelled);
  void wait_for_room(spool::JobSet& set, std::optional<uint64_t> wanted,
                     const std::function<bool()>& cancelled);
  void wait_for_all(spool::JobSet& set, std::optional<uint64_t> wanted,
                    const std::function<bool()>& cancelled);
  // Whether the index spares us to read this file.
  bool is_known(const std::string& name, spool::JobSet& set);
  // Reads its header, or starts to.
  void read(const std::string& name, spool::JobSet& set, std::optional<uint64_t> wanted,
            const std::function<bool()>& cancelled);
  bool is_known_here(const std::string& name, const spool::FileIdentity& id,
                     const spool::JobSet& set) const;
  void add_to_index(const spool::JobSet& set);
  void save_now_and_then(const spool::JobSet& set);
  void read_plain(const std::string& name, const spool::JobFile& file, spool::JobSet& set);
  // Whether no decoder has to be asked.
  bool read_in_process(const std::string& name, const spool::JobFile& file, spool::JobSet& set);
  // Adds the job, unless its signature is not what is asked for.
  std::optional<spool::ScannedJob> take_header(const Source& source,
                                               const packet::HeaderReader& header,
                                               spool::JobSet& set);
  void collect_finished(spool::JobSet& set, std::optional<uint64_t> wanted);
  void finish_reading(Reading& reading, spool::JobSet& set, std::optional<uint64_t> wanted);
  void skip(const std::string& name, const spool::FileIdentity& id, const std::string& reason,
            size_t told_at_most = kToldForOneReason);
  void remember_failure(const Source& source, const std::string& reason);
  void summarize_skipped();

  pipeline::Engine& engine_;
  const spool::JobDirectory& jobs_;
  const Decoding& decoding_;
  Told* told_;
  Readings readings_;
  JobOpener opener_;
  std::optional<spool::HeaderIndex> index_;
  bool index_is_loaded_ = false;
  std::vector<std::string> temporaries_;
  bool saw_every_file_ = false;
  bool has_news_ = false;  // headers that did not come from the index
  bool believes_names_;
  bool guesses_were_read_ = false;  // where nothing was due
  bool is_first_scan_ = true;       // nothing is known yet
  std::chrono::steady_clock::time_point last_save_;
  std::list<std::unique_ptr<Reading>> pending_;
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
