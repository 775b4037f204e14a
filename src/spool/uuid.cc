#include "spool/uuid.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "base/text.h"
#include "sys/entropy.h"

namespace penstock::spool {

namespace {

constexpr std::string_view kBegin = "fspl-";
constexpr std::string_view kEnd = ".fspl";

}  // namespace

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

std::string job_file_name(std::optional<uint64_t> number) {
  return cat(kBegin, uuid_v4(), number ? cat("-", *number) : "", kEnd);
}

std::optional<uint64_t> number_in_name(std::string_view name) {
  constexpr std::string_view kForm = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx-";
  const auto fits = [](char form, char c) {
    return form == '-' ? c == '-' : (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  };
  if (!name.starts_with(kBegin) || !name.ends_with(kEnd)) return std::nullopt;
  if (name.size() <= kBegin.size() + kForm.size() + kEnd.size()) return std::nullopt;
  name.remove_prefix(kBegin.size());
  name.remove_suffix(kEnd.size());
  if (!std::equal(kForm.begin(), kForm.end(), name.begin(), fits)) return std::nullopt;
  const std::string_view digits = name.substr(kForm.size());
  const auto number = parse_u64(digits);
  return number && cat(*number) == digits ? number : std::nullopt;
}

}  // namespace penstock::spool
