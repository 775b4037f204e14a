// Small readings of text that all the parsers of this room share: numbers, words, lines. Any bytes
// may come; what does not fit is nothing.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string_view>

namespace penstock::procfs {

template <std::integral Number>
std::optional<Number> to_number(std::string_view text, int base = 10) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Takes the next line (without its newline) off `rest`; false at the end.
inline bool take_line(std::string_view& rest, std::string_view& line) {
  if (rest.empty()) return false;
  const size_t end = rest.find('\n');
  line = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  return true;
}

// Takes the next word off `rest`, over blanks and tabs in front; empty at the end.
inline std::string_view take_word(std::string_view& rest) {
  auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\n'; };
  size_t start = 0;
  while (start < rest.size() && is_blank(rest[start])) ++start;
  size_t end = start;
  while (end < rest.size() && !is_blank(rest[end])) ++end;
  const std::string_view word = rest.substr(start, end - start);
  rest.remove_prefix(end);
  return word;
}

template <std::integral Number>
std::optional<Number> take_number(std::string_view& rest, int base = 10) {
  return to_number<Number>(take_word(rest), base);
}

// The number behind `key` at the start of a line of `text` ("frozen 1", "rchar: 17").
inline std::optional<uint64_t> number_after(std::string_view text, std::string_view key) {
  for (std::string_view line; take_line(text, line);) {
    if (!line.starts_with(key)) continue;
    line.remove_prefix(key.size());
    if (const auto value = take_number<uint64_t>(line)) return value;
  }
  return std::nullopt;
}

// "12345.67"; nothing if it is not a plausible time. By whole numbers: the library's conversion of
// floating point would be a tenth of the keeper's memory.
inline std::optional<double> to_seconds(std::string_view text) {
  const size_t dot = text.find('.');
  const auto whole = to_number<uint64_t>(text.substr(0, dot));
  if (!whole || *whole >= 1'000'000'000'000'000) return std::nullopt;
  if (dot == std::string_view::npos) return static_cast<double>(*whole);
  const std::string_view digits = text.substr(dot + 1);
  const auto part = to_number<uint64_t>(digits);
  if (!part || digits.size() > 15) return std::nullopt;
  double scale = 1;
  for (size_t i = 0; i < digits.size(); ++i) scale *= 10;
  return static_cast<double>(*whole) + static_cast<double>(*part) / scale;
}

}  // namespace penstock::procfs
