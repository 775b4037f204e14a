#include "packet/foreign_format.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace penstock::packet {

namespace {

using namespace std::string_view_literals;

struct Signature {
  std::string_view bytes;
  const char* name;
};
constexpr auto kSignatures = std::to_array<Signature>({
    {"\x28\xb5\x2f\xfd"sv, "zstd"},
    {"\x1f\x8b"sv, "gzip"},
    {"\xfd\x37zXZ\0"sv, "xz"},
    {"BZh"sv, "bzip2"},
    {"\x04\x22\x4d\x18"sv, "lz4"},
    {"-----BEGIN PGP"sv, "OpenPGP"},
    {"age-encryption.org/"sv, "age"},
});

// Packets with which an encrypted or signed message begins: keys and passphrases for a session,
// signatures, compressed, encrypted and literal data.
constexpr std::array<unsigned, 10> kMessageTags = {1, 2, 3, 4, 8, 9, 10, 11, 18, 20};

bool is_openpgp(uint8_t first) {
  if ((first & 0x80U) == 0) return false;
  const bool new_format = (first & 0x40U) != 0;
  const unsigned tag = new_format ? first & 0x3fU : (first >> 2U) & 0x0fU;
  return std::ranges::find(kMessageTags, tag) != kMessageTags.end();
}

}  // namespace

const char* encoding_of(std::span<const uint8_t> beginning) {
  const std::string_view text(reinterpret_cast<const char*>(beginning.data()), beginning.size());
  for (const Signature& signature : kSignatures) {
    if (text.starts_with(signature.bytes)) return signature.name;
  }
  return !beginning.empty() && is_openpgp(beginning.front()) ? "OpenPGP" : nullptr;
}

}  // namespace penstock::packet
