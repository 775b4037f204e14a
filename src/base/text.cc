#include "base/text.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace penstock {

namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\v' || c == '\f';
}

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A') + 10U;
  return std::nullopt;
}

// Length of the well-formed UTF-8 sequence at the start of `raw`, or 0. Table 3-7 of the Unicode
// standard.
size_t utf8_length(std::string_view raw) {
  auto byte = [&](size_t i) -> unsigned {
    return i < raw.size() ? static_cast<unsigned char>(raw[i]) : 0U;
  };
  auto continues = [&](size_t from, size_t to) {
    for (size_t i = from; i < to; ++i) {
      if (byte(i) < 0x80 || byte(i) > 0xbf) return false;
    }
    return true;
  };
  const unsigned first = byte(0);
  const unsigned second = byte(1);
  if (first < 0x80) return raw.empty() ? 0 : 1;
  if (first >= 0xc2 && first <= 0xdf) return continues(1, 2) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    if (first == 0xe0 && second < 0xa0) return 0;
    if (first == 0xed && second > 0x9f) return 0;
    return continues(1, 3) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if (first == 0xf0 && second < 0x90) return 0;
    if (first == 0xf4 && second > 0x8f) return 0;
    return continues(1, 4) ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::optional<uint64_t> parse_u64(std::string_view text) {
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  if (text.empty()) return std::nullopt;
  uint64_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<uint64_t>(c - '0');
    if (value > (UINT64_MAX - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

namespace {

// `character` is one of UTF-8, or a byte that is none.
bool is_control(std::string_view character) {
  const auto byte = [&](size_t index) { return static_cast<unsigned char>(character[index]); };
  switch (character.size()) {
    case 1:
      return byte(0) < 0x20 || byte(0) == 0x7f;
    case 2:
      // U+0080 to U+009F: terminals act on some of them.
      return byte(0) == 0xc2 && byte(1) < 0xa0;
    case 3:
      // U+202A to U+202E and U+2066 to U+2069: what follows them is shown backwards.
      return byte(0) == 0xe2 && ((byte(1) == 0x80 && byte(2) >= 0xaa && byte(2) <= 0xae) ||
                                 (byte(1) == 0x81 && byte(2) >= 0xa6 && byte(2) <= 0xa9));
    default:
      return false;
  }
}

}  // namespace

std::string printable(std::string_view raw) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  out.reserve(raw.size());
  while (!raw.empty()) {
    const size_t length = utf8_length(raw);
    const std::string_view character = raw.substr(0, std::max(length, size_t{1}));
    raw.remove_prefix(character.size());
    if (length != 0 && !is_control(character)) {
      if (character == "\\") out += '\\';
      out += character;
      continue;
    }
    for (const char c : character) {
      const auto byte = static_cast<unsigned char>(c);
      out += "\\x";
      out += kHex[byte >> 4U];
      out += kHex[byte & 15U];
    }
  }
  return out;
}

bool has_controls(std::string_view text, std::string_view allowed) {
  while (!text.empty()) {
    const std::string_view character = text.substr(0, std::max(utf8_length(text), size_t{1}));
    text.remove_prefix(character.size());
    if (is_control(character) && allowed.find(character) == std::string_view::npos) return true;
  }
  return false;
}

bool is_utf8(std::string_view raw) {
  while (!raw.empty()) {
    const size_t length = utf8_length(raw);
    if (length == 0) return false;
    raw.remove_prefix(length);
  }
  return true;
}

std::string shell_quote(std::string_view word) {
  static constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-./:=@_";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string_view::npos) {
    return std::string(word);
  }
  std::string out = "'";
  for (char c : word) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  out += '\'';
  return out;
}

std::string shell_join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) {
    if (!out.empty()) out += ' ';
    out += shell_quote(word);
  }
  return out;
}

std::string percent_encoded(std::string_view raw) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  static constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
  std::string out;
  for (char c : raw) {
    if (kPlain.find(c) != std::string_view::npos) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kHex[byte >> 4U];
    out += kHex[byte & 15U];
  }
  return out;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const auto high = hex_digit(text[i + 1]);
    const auto low = hex_digit(text[i + 2]);
    if (!high || !low) return std::nullopt;
    out += static_cast<char>(*high << 4U | *low);
    i += 2;
  }
  return out;
}

std::string human_bytes(uint64_t bytes) {
  if (bytes < 1024) return cat(bytes, " B");
  static constexpr std::array kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  std::array<char, 32> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%.1f %s", value, kUnits.at(unit));
  return buffer.data();
}

std::string_view base_name(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

}  // namespace penstock
