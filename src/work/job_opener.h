// A job at its turn, and shortly before it: its file, its header, its decoder.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "packet/metadata.h"
#include "pipeline/upstream.h"
#include "spool/job_directory.h"
#include "spool/job_set.h"
#include "work/readings.h"

namespace penstock::work {

// A decoder that has given a header and waits, its clock stopped, for its job's turn.
struct Parked {
  spool::ScannedJob job;
  packet::Metadata metadata;
  std::unique_ptr<pipeline::Upstream> upstream;
};

// Header, file and decoder of one job, at its turn.
struct OpenedJob {
  packet::Metadata metadata;
  spool::JobFile file;                           // plain: stands at the payload
  uint64_t payload_offset = 0;                   // plain
  std::unique_ptr<pipeline::Upstream> upstream;  // with a decoder
  // Instead of a decoder: a small payload, good to its end.
  std::optional<std::vector<uint8_t>> decoded;
};

class JobOpener {
 public:
  // Borrows both.
  JobOpener(Readings& readings, const spool::JobDirectory& jobs);
  ~JobOpener();
  JobOpener(const JobOpener&) = delete;
  JobOpener& operator=(const JobOpener&) = delete;

  bool has_parked() const { return parked_ != nullptr; }
  // For open(). One only: what was parked before must have been taken.
  void park(Parked parked);

  // Starts the decoders of the jobs whose turn will be next, so that their headers are there by
  // then; or, without a decoder, opens the first one's file. In the order of their turns.
  void look_ahead(const std::vector<spool::ScannedJob>& jobs);
  // The reading of this very file that was begun ahead of its turn, or null. What was begun for
  // files whose turn it would have been before is let go.
  std::unique_ptr<Reading> take_ahead(const spool::ScannedJob& job);

  // Nothing if the file is gone, or another one, or without a header by now. `reason` says which.
  // That the header is still this job's is for the caller to see. Throws RunFailure if the decoder
  // cannot be started, or gave no header in time. `waits`: called once if the header is not there
  // yet, which is the time to begin the next jobs' decoders.
  std::optional<OpenedJob> open(const spool::ScannedJob& job, std::string& reason,
                                const std::function<bool()>& cancelled,
                                const std::function<void()>& waits);

 private:
  // The decoder of this very file, if it was kept. One that was kept for another is let go.
  std::unique_ptr<Parked> take_parked(const spool::ScannedJob& job);
  void open_ahead(const spool::ScannedJob& job);
  void begin_ahead(const std::vector<spool::ScannedJob>& jobs);
  // What open_ahead() has opened, if it is this very job and its name still leads to that file.
  std::optional<OpenedJob> take_opened(const spool::ScannedJob& job);
  // These fill `opened`, or say in `reason` why they cannot.
  bool open_file(const spool::ScannedJob& job, OpenedJob& opened, std::string& reason) const;
  bool read_plain(const spool::ScannedJob& job, OpenedJob& opened, std::string& reason) const;
  bool read_decoded(const spool::ScannedJob& job, OpenedJob& opened, std::string& reason,
                    const std::function<bool()>& cancelled, const std::function<void()>& waits);
  bool take_whole(HeaderPeek::Whole& whole, OpenedJob& opened, std::string& reason) const;
  std::string why_no_header(const pipeline::HeaderRead& header, bool done,
                            const spool::ScannedJob& job) const;

  Readings& readings_;
  const spool::JobDirectory& jobs_;
  const Decoding& decoding_;
  std::unique_ptr<Parked> parked_;
  struct OpenedAhead {
    spool::ScannedJob job;
    OpenedJob opened;
  };
  std::optional<OpenedAhead> opened_;           // without a decoder
  std::deque<std::unique_ptr<Reading>> ahead_;  // by turn; they may not have their headers yet
};

}  // namespace penstock::work
