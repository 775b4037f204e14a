// The sender's half of seals: making them, for new job files and for those that are there already.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "packet/seal.h"
#include "packet/signature.h"
#include "sys/blake2b.h"
#include "sys/unique_fd.h"
#include "work/sender_input.h"

namespace penstock::work {

// Of all bytes that were added.
class SealMaker {
 public:
  void add(std::span<const uint8_t> bytes);
  packet::Seal seal();

 private:
  sys::Blake2b digest_;
  uint64_t length_ = 0;
};

// A payload whose seal is known before its first byte is given out, since the header goes in front
// of it. A regular file is read twice; all else is stored meanwhile, what exceeds 1 MiB in a file
// without a name. Either way it is the second reading that must give what was sealed.
class SealedInput {
 public:
  // Reads `input` to its end.
  SealedInput(Input& input, const EndSignals& signals, std::string spool_dir);

  const packet::Seal& seal() const { return seal_; }
  // Empty at the end. Throws Error if the bytes are not those that were sealed.
  std::span<const uint8_t> next(const EndSignals& signals);

 private:
  void store(std::span<const uint8_t> block);
  std::span<const uint8_t> next_again(const EndSignals& signals);

  Input& input_;
  std::string spool_dir_;
  packet::Seal seal_;
  std::optional<SealMaker> second_;
  bool reads_twice_ = false;
  std::vector<uint8_t> memory_;
  bool memory_given_ = false;
  sys::UniqueFd disk_;
  std::vector<uint8_t> block_;
};

enum class Sealing { done, had_been };

// Seals a plain job file where it lies: a new file takes its name once it is whole and on disk, and
// until then the old one has it. Number, time, parameters and keys that we do not know stay. One
// that is sealed is checked instead. Throws Error if there is no job file, or what it has is not
// what was sealed.
Sealing seal_file(const std::string& path);

// The same, and signs it: what `sign` makes of its header becomes its signature, in place of one
// that it has. `sign` is asked several times, and gives as many bytes each time.
// With Unsealed::refused the file must have the seal that was signed elsewhere.
using Sign = std::function<packet::Signature(const std::string& header)>;
enum class Unsealed { is_sealed, refused };
void sign_file(const std::string& path, const Sign& sign, Unsealed unsealed);

}  // namespace penstock::work
