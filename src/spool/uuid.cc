#include "spool/uuid.h"

#include <array>
#include <cstdint>
#include <string_view>

#include "base/text.h"
#include "sys/entropy.h"

namespace penstock::spool {

std::string uuid_v4() {
  static constexpr std::string_view kHex = "0123456789abcdef";
  std::array<uint8_t, 16> bytes{};
  sys::fill_random(bytes);
  bytes[6] = static_cast<uint8_t>((bytes[6] & 0x0fU) | 0x40U);  // version 4
  bytes[8] = static_cast<uint8_t>((bytes[8] & 0x3fU) | 0x80U);  // the variant of RFC 4122
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kHex[bytes.at(i) >> 4U];
    text += kHex[bytes.at(i) & 15U];
  }
  return text;
}

std::string job_file_name() {
  return cat("fspl-", uuid_v4(), ".fspl");
}

}  // namespace penstock::spool
