// What stands in a sequence file, as text: reading it as fspl does, and the writes that turn one
// number into the next so that no power cut can leave a third.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::spool {

// More than this is not read; the first line of a sequence file has to end before.
inline constexpr size_t kMaxSequenceBytes = 4096;

// The number in the first line: blanks around it, CR, one '+', leading zeros and a missing newline
// are accepted, further lines not looked at. Nothing for anything else.
std::optional<uint64_t> parse_sequence(std::string_view text);

// 'is empty', 'holds "abc", not a number': the rest of a sentence about a file for which
// parse_sequence() has nothing.
std::string sequence_problem(std::string_view text);

// number + 1; throws Error for 2^64-1, behind which there is none (fspl goes on with 0: D19).
uint64_t successor(uint64_t number);

// One call on the sequence file. In a power cut the calls behind the last `sync` may be lost, bytes
// and size apart from each other; the bytes of one `write` never are cut, as they lie in one
// sector.
struct SequenceStep {
  enum class Kind { write, truncate, sync };
  Kind kind = Kind::sync;
  uint64_t offset = 0;  // write: where to; truncate: the new size
  std::string text;     // write

  bool operator==(const SequenceStep&) const = default;
};

// The calls that make a file of `size` bytes hold `number`: one write and one sync from any number
// to the next. Whatever prefix of them has happened, and whatever part of it a power cut has kept,
// the file reads as the old number or as the new one (docs/design/spool.md); if the old text had no
// newline it may also read as no number at all, never as a third.
std::vector<SequenceStep> commit_steps(uint64_t size, uint64_t number);

}  // namespace penstock::spool
