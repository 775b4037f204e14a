// The jobs that a scan has found, and whose turn it is. Pure: it opens no file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/time.h"
#include "spool/file_identity.h"

namespace penstock::spool {

// What a header, once read, says; and of which file.
struct ScannedJob {
  std::string name;
  uint64_t number = 0;
  Timestamp created;
  FileIdentity id;
  std::optional<uint64_t> sealed_bytes;  // what its seal says about its payload
  std::optional<uint64_t> sealed_as;     // digest of packet::HeaderReader::sealed_header()
  // Its ctime, if that was old enough by the time of reading for any later change to show in it.
  std::optional<Timestamp> stood_since;
  // The number is the one in the file's name, and nothing of the file was read.
  bool is_guess = false;

  bool operator==(const ScannedJob&) const = default;
};

// Orders without ties left (D33): by number, time, name; and by time, number, name.
bool by_number(const ScannedJob& a, const ScannedJob& b);
bool by_time(const ScannedJob& a, const ScannedJob& b);

// Whether two files of one number hold the same bytes. Not asked about one file with two names.
using SameContent = std::function<bool(const ScannedJob& a, const ScannedJob& b)>;

// The files that carry one number. `job` runs; `copies` are identical and done with when it is, and
// so are `twins`, which carry the same sealed job in other bytes: encoded anew, or damaged, and
// then another one of them is to run. `rivals` are none of this, and then nothing may run before a
// person has chosen (D09).
struct Turn {
  std::optional<ScannedJob> job;
  std::vector<ScannedJob> copies;
  std::vector<ScannedJob> twins;
  std::vector<ScannedJob> rivals;

  bool is_conflict() const { return !rivals.empty(); }
  // Or a twin.
  bool is_copy(const ScannedJob& of_this_number) const;
  // If one of the copies is this file, it is the one that runs: on record is how often it was
  // tried.
  void prefer(std::string_view name, uint64_t inode);
  // "job 7: fspl-a.fspl and fspl-b.fspl both carry this number and differ; …". For a conflict.
  std::string conflict_sentence() const;
};

struct Gap {
  uint64_t waiting_for = 0;
  size_t later = 0;  // how many later jobs are here
  ScannedJob first;  // the next one of them

  // "waiting for job 7; 3 later jobs are here, the first is 9 (fspl-x.fspl)"
  std::string sentence() const;
};

class JobSet {
 public:
  JobSet() = default;
  explicit JobSet(std::vector<ScannedJob> jobs);
  JobSet(JobSet&&) = default;
  JobSet& operator=(JobSet&&) = default;

  // So many will be added.
  void expect(size_t jobs) { by_name_.reserve(jobs); }
  size_t size() const { return jobs_.size(); }
  void for_each(const std::function<void(const ScannedJob&)>& visit) const;  // by_number
  bool has(uint64_t number) const;
  // For a rescan: whether this very file is known under this name, so that its header is not read
  // again.
  bool knows(std::string_view name, const FileIdentity& id) const;
  // Replaces what had that name.
  void add(ScannedJob job);
  // Once it is done with, gone, or found to be another file. No such name: nothing happens.
  void remove(std::string_view name);

  // Empty (no job) if no file has that number. The only place where duplicates matter.
  Turn at(uint64_t number, const SameContent& same_content) const;
  // Where `next` is missing and later ones are here.
  std::optional<Gap> gap(uint64_t next) const;
  // Those that are guesses, of this number; and the first `most` of them all.
  std::vector<ScannedJob> guesses_at(uint64_t number) const;
  std::vector<ScannedJob> first_guesses(size_t most) const;
  // Those below `next`, which never run.
  std::vector<ScannedJob> older_than(uint64_t next) const;
  std::vector<ScannedJob> in_sequence() const;  // by_number
  std::vector<ScannedJob> in_time() const;      // by_time

 private:
  using Jobs = std::set<ScannedJob, bool (*)(const ScannedJob&, const ScannedJob&)>;
  Jobs jobs_{by_number};
  // The keys are the names inside jobs_, whose nodes stay where they are.
  std::unordered_map<std::string_view, Jobs::iterator> by_name_;
};

}  // namespace penstock::spool
