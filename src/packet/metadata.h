// packet/: the job file, bytes in and bytes out. It knows the format
// (docs/formats/job-file-format.md) and nothing of files, queues or processes: whoever reads or
// writes brings the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/time.h"
#include "packet/bad_header.h"
#include "packet/seal.h"
#include "packet/signature.h"

namespace penstock::packet {

// Parameters, variables and unknown keys that one job may have, all together. No exec takes more:
// Linux allows 6 MiB at most for arguments and environment, and the shortest string costs a pointer
// and a NUL. Without this limit a header of 16 MiB, full of empty strings, would unfold into a
// gigabyte.
inline constexpr size_t kMaxItems = 700'000;

// A variable for the command, named without the FSPL_SET_ that it gets there. The bytes are
// arbitrary, also in the name.
struct Variable {
  std::string name;
  std::string value;

  bool operator==(const Variable&) const = default;
};

// Command is run, nop succeeds and fail fails without running anything.
enum class Kind { command, nop, fail };

// A key that a later version may know: kept as it came, so that what passes through us loses
// nothing.
struct UnknownKey {
  std::string key;
  // Raw MessagePack, one whole value.
  std::string value;

  bool operator==(const UnknownKey&) const = default;
};

// What a job file says about its payload.
struct Metadata {
  uint64_t sequence = 0;
  // Always representable in a decoded header.
  Timestamp created;
  Kind kind = Kind::command;
  // These three belong to a command; for other kinds they are empty, and not written.
  std::vector<std::string> params;
  std::vector<Variable> env;
  std::vector<UnknownKey> command_unknown;
  std::optional<Seal> seal;
  std::vector<UnknownKey> unknown;
  // Only beside a seal.
  std::optional<Signature> signature;

  bool operator==(const Metadata&) const = default;
};

// `fixed` spends nine bytes on any sequence number, so that it can be changed later without moving
// what follows.
enum class SequenceWidth { shortest, fixed };

// The metadata block: known keys in fspl's order, then the seal if there is one, then unknown ones,
// then the signature.
// A seal takes as many bytes whatever it says, so that it, too, can be settled once the payload
// stands. Throws Error if there are more than kMaxItems.
std::string encode_metadata(const Metadata& metadata,
                            SequenceWidth width = SequenceWidth::shortest);

// The block as it was before it was signed, which is what the signature is made of: without the
// last key. Throws BadHeader where the block is not what signing makes of any: the signature must
// be the last key, and both it and the head of the map in their one form.
std::string block_before_signing(std::span<const uint8_t> block, const Signature& signature);

// Takes what section 3.2 of the format notes must accept and nothing else; bytes behind the value
// are ignored. Throws BadHeader with the first reason it meets. Bytes cannot make it recurse, nor
// allocate more than a small multiple of their number; it takes linear time.
Metadata decode_metadata(std::span<const uint8_t> block);

}  // namespace penstock::packet
