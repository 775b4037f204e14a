#include "procfs/recorded.h"

#include <cstdlib>

#include "procfs/fields.h"

namespace penstock::procfs {

namespace {

constexpr size_t kMaxProbes = 16 << 20;

std::optional<bool> truth(std::string_view word) {
  if (word == "1") return true;
  if (word == "0") return false;
  return std::nullopt;
}

// "pipe 81234 capacity=65536 queued=0 writable=1 has_writer=1 has_reader=1 owner=0 refused=…", the
// last one to the end of the line.
void read_pipe(std::string_view line, Recorded& recorded) {
  const auto inode = take_number<ino_t>(line);
  if (!inode) return;
  PipeFacts facts{.inode = *inode};
  const size_t refused = line.find(" refused=");
  if (refused != std::string_view::npos) {
    facts.refused = line.substr(refused + 9);
    line = line.substr(0, refused);
  }
  for (std::string_view word = take_word(line); !word.empty(); word = take_word(line)) {
    const size_t equals = word.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view key = word.substr(0, equals);
    const std::string_view value = word.substr(equals + 1);
    if (key == "capacity") facts.capacity = to_number<size_t>(value);
    if (key == "queued") facts.queued = to_number<size_t>(value);
    if (key == "writable") facts.writable = truth(value);
    if (key == "has_writer") facts.has_writer = truth(value);
    if (key == "has_reader") facts.has_reader = truth(value);
    if (key == "owner") facts.owner = to_number<uid_t>(value);
  }
  recorded.pipes[*inode] = std::move(facts);
}

// "fifo 11018650 /run/control": the target to the end of the line.
void read_fifo(std::string_view line, Recorded& recorded) {
  const auto inode = take_number<ino_t>(line);
  if (!inode || !line.starts_with(' ')) return;
  recorded.fifos[std::string(line.substr(1))] = *inode;
}

// "machine taken=123.5 looker=1000 page_size=4096 ticks=100 architecture=aarch64"
void read_machine(std::string_view line, Recorded& recorded) {
  for (std::string_view word = take_word(line); !word.empty(); word = take_word(line)) {
    const size_t equals = word.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view key = word.substr(0, equals);
    const std::string_view value = word.substr(equals + 1);
    if (key == "looker") recorded.looker = to_number<uid_t>(value);
    if (key == "page_size") recorded.page_size = to_number<size_t>(value);
    if (key == "ticks") recorded.ticks_per_s = to_number<long>(value);
    if (key == "architecture") recorded.architecture = value;
    if (key == "taken") recorded.taken_s = to_seconds(value);
  }
}

}  // namespace

Recorded parse_recorded(std::string_view text) {
  Recorded recorded;
  for (std::string_view line; take_line(text, line);) {
    const std::string_view kind = take_word(line);
    if (kind == "pipe") read_pipe(line, recorded);
    if (kind == "fifo") read_fifo(line, recorded);
    if (kind == "machine") read_machine(line, recorded);
  }
  return recorded;
}

Recorded read_recorded(Reader& reader, int proc) {
  const auto text = reader.read_whole(proc, "penstock-probes", kMaxProbes);
  return text ? parse_recorded(*text) : Recorded();
}

}  // namespace penstock::procfs
