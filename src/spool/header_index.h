// The header index of a queue, DIR/penstock/index: what the headers of its job files said, so that
// a job that waits is decoded once and not once a run. A cache: whoever finds it missing, damaged,
// locked, or not to be written works without, and what it says is checked when a job's turn comes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "spool/index_line.h"
#include "spool/queue.h"

namespace penstock::spool {

class HeaderIndex {
 public:
  // `way` is all that a header depends on besides its file. Borrows the queue.
  HeaderIndex(const Queue& queue, std::string_view way) : queue_(queue), way_(digest_of(way)) {}

  // Reads what there is. Throws nothing: the reason is a debug message.
  void load() noexcept;

  // What is known of this very file; null for nothing. Good until the next save() or forget().
  const IndexRow* find(std::string_view name, const FileIdentity& id, const Timestamp& changed);
  // For save(), and for find() after it.
  void add(std::string_view name, const FileIdentity& id, const Timestamp& changed,
           std::variant<IndexedHeader, IndexedFailure> entry);
  // It turned out to be wrong.
  void forget(const FileIdentity& id);

  // Appends what was added, and says whether the next run will find it; once most of what is stored
  // was not asked for by a scan that saw every file, only what was asked for stays. Throws nothing.
  // Nothing is stored in an append-only queue, in one that somebody else owns (unless we are root,
  // who hands it over), and while somebody else stores.
  enum class Scan { whole, cut_short };
  bool save(Scan scan) noexcept;

 private:
  struct Row : IndexRow {
    bool is_stored = false;
    bool is_asked_for = false;
  };
  static bool by_file(const Row& a, const Row& b);

  void read(int fd);
  void read_line(std::string_view line);
  void sort_in_added();
  void sort();
  bool write(Scan scan);

  const Queue& queue_;
  uint64_t way_;
  std::vector<Row> rows_;   // by file; of one file in the order in which they were found
  std::vector<Row> added_;  // not among them yet
  size_t stored_lines_ = 0;
  bool is_foreign_ = false;  // of another version, or damaged at its beginning
};

}  // namespace penstock::spool
