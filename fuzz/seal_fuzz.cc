// Seals from anywhere. The first byte chooses: digits of a digest; a seal as the value of its key
// in a header with good checksums; or a payload, sealed here, of which one byte is altered, or
// which is cut or goes on, and which the check then gets in pieces.
#include <algorithm>
#include <cstdlib>
#include <span>
#include <string>

#include "packet/header.h"
#include "pipeline/seal_check.h"
#include "sys/blake2b.h"

namespace {

using namespace penstock::packet;
using penstock::pipeline::BrokenSeal;
using penstock::pipeline::SealCheck;

void require(bool truth) {
  if (!truth) std::abort();
}

std::span<const uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

void read_digits(std::string_view text) {
  const auto digest = digest_from_hex(text);
  if (digest) require(to_hex(*digest) == text);
}

// The top map of a NOP with one more key.
std::string block_with_seal(std::string_view value) {
  using namespace std::string_literals;
  return "\x84\xa3seq\x07\xa5"
         "ctime\x92\x01\x00\xa8"
         "cmd_type\xa3NOP\xad"
         "penstock_seal"s +
         std::string(value);
}

void read_value(std::string_view value) {
  const std::string block = block_with_seal(value);
  HeaderReader reader;
  try {
    const std::string file = encode_prefix(block) + block;
    for (size_t at = 0; !reader.done();) {
      const size_t piece = std::min(reader.wanted(), file.size() - at);
      if (piece == 0) reader.end_of_input();
      reader.feed(as_bytes(file).subspan(at, piece));
      at += piece;
    }
  } catch (const BadHeader&) {
    return;
  }
  // A header with that key has a seal, or is none.
  require(reader.metadata().seal.has_value());
}

Seal seal_of(std::span<const uint8_t> payload) {
  penstock::sys::Blake2b digest;
  digest.add(payload);
  return {.length = payload.size(), .digest = digest.finish()};
}

bool passes(const Seal& seal, std::span<const uint8_t> payload, size_t piece) {
  SealCheck check(seal);
  try {
    for (size_t at = 0; at < payload.size(); at += piece)
      check.add(payload.subspan(at, std::min(piece, payload.size() - at)));
    check.finish();
    return true;
  } catch (const BrokenSeal&) {
    return false;
  }
}

// `change`: what is done to it, and where.
void check_payload(uint8_t change, std::string_view payload) {
  const Seal seal = seal_of(as_bytes(payload));
  const size_t piece = 1 + change % 31;
  require(passes(seal, as_bytes(payload), piece));
  std::string other(payload);
  if (change < 0x40 || payload.empty()) {
    other += static_cast<char>(change);
  } else if (change < 0x80) {
    other.resize(other.size() - 1 - change % other.size());
  } else {
    other[change % other.size()] ^= static_cast<char>(1 << change % 8);
  }
  require(!passes(seal, as_bytes(other), piece));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data + 2), size - 2);
  if (data[0] % 3 == 0) read_digits(rest);
  if (data[0] % 3 == 1) read_value(rest);
  if (data[0] % 3 == 2) check_payload(data[1], rest);
  return 0;
}
