// Text for people and for files: joining, numbers, escapes. Bytes that are not UTF-8 are ordinary
// here.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace penstock {

namespace text_detail {
inline void append(std::string& out, std::string_view part) {
  out += part;
}
inline void append(std::string& out, const char* part) {
  out += part;
}
inline void append(std::string& out, const std::string& part) {
  out += part;
}
inline void append(std::string& out, char part) {
  out += part;
}
template <std::integral T>
requires(!std::same_as<T, char> && !std::same_as<T, bool>) void append(std::string& out, T part) {
  out += std::to_string(part);
}
}  // namespace text_detail

// "job " + 7 + ": exit " + 3, in one allocation or few: cat("job ", 7, ": exit ", 3).
template <typename... Parts>
std::string cat(const Parts&... parts) {
  std::string out;
  (text_detail::append(out, parts), ...);
  return out;
}

// A decimal unsigned number as fspl's command line takes it: a leading '+' and leading zeros are
// accepted; blanks, signs, other bases, an empty string and anything of 2^64 or more are not.
std::optional<uint64_t> parse_u64(std::string_view text);

// `text` without blanks (space, tab, CR, newline, VT, FF) at either end.
std::string_view trim(std::string_view text);

// For a terminal or a log line: control characters, DEL and bytes that are not valid UTF-8 as \xNN,
// backslash as \\. Everything printable stays as it is, so an ordinary file name is shown
// unchanged.
std::string printable(std::string_view raw);

// Whether `raw` is well-formed UTF-8 (no surrogates, no overlong forms, at most U+10FFFF).
bool is_utf8(std::string_view raw);

// Whether UTF-8 text has control characters, as printable() knows them: U+0000 to U+001F but those
// in `allowed`, U+007F to U+009F, and the invisible ones that turn the direction of text around.
bool has_controls(std::string_view text, std::string_view allowed = "");

// For a file of words: everything but letters, digits, '-', '.' and '_' as %NN; and back, or
// nothing if that is malformed.
std::string percent_encoded(std::string_view raw);
std::optional<std::string> percent_decoded(std::string_view text);

// One word for a POSIX shell: unchanged where it needs no quotes, else in single quotes.
std::string shell_quote(std::string_view word);

// The words of a command for people, each quoted as a shell would need it, joined by blanks.
std::string shell_join(const std::vector<std::string>& words);

// "512 B", "64.0 KiB", "1.5 GiB": three significant digits at most behind the point, binary units.
std::string human_bytes(uint64_t bytes);

// The part of a path behind its last '/'.
std::string_view base_name(std::string_view path);

}  // namespace penstock
