// The header of a job file: a prefix of 30 bytes with checksums, and the metadata block. It is read
// to the byte, because what follows belongs to the command; and it is written as fspl writes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "packet/metadata.h"

namespace penstock::packet {

inline constexpr size_t kPrefixBytes = 30;
// What a header may claim (D20). fspl itself can write about 6 MiB, and has been seen to read 20.
inline constexpr uint64_t kMaxMetadataBytes = uint64_t{16} << 20U;

// Takes a header in pieces from whoever reads it: read at most wanted() bytes, feed() them, until
// done().
class HeaderReader {
 public:
  // How many bytes may be read now: never one that belongs to the payload, and never more than 64
  // KiB, so that a length that is only claimed costs nothing. 0 when done.
  size_t wanted() const;
  // At most wanted() bytes. Throws BadHeader; the reader is of no use then.
  void feed(std::span<const uint8_t> bytes);
  bool done() const { return metadata_.has_value(); }
  // Says what is wrong with input that ended before done().
  [[noreturn]] void end_of_input() const;

  // Both once done().
  const Metadata& metadata() const;
  // Where the payload begins.
  uint64_t header_bytes() const;
  // Of a signed one, what the signature was made of: the whole header as it was before.
  const std::string& header_before_signing() const { return before_signing_; }
  // Of a sealed one: the header as it was before signing, the seal included; else empty. Who has
  // the same carries the same job, or a damaged copy of it, whatever its bytes.
  const std::string& sealed_header() const {
    return metadata().signature ? before_signing_ : sealed_header_;
  }

 private:
  void check_prefix();
  void check_metadata();

  // All bytes so far, until done(); and how many they will be, as far as is known.
  std::vector<uint8_t> bytes_;
  size_t expected_ = kPrefixBytes;
  std::optional<Metadata> metadata_;
  std::string before_signing_;
  std::string sealed_header_;  // of one that is not signed
};

// Prefix and metadata block, byte for byte as fspl writes them. Throws Error where a reader would
// refuse the size.
std::string encode_header(const Metadata& metadata);

// The same with a sequence number of fixed width: its length does not depend on the number, which
// can therefore be settled by writing the header again over the first one, when the payload stands
// already.
std::string encode_header_fixed_width(const Metadata& metadata);

// The prefix that goes in front of a metadata block.
std::string encode_prefix(std::string_view block);

}  // namespace penstock::packet
