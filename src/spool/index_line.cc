#include "spool/index_line.h"

#include <array>
#include <charconv>

#include "base/fnv.h"
#include "base/text.h"

namespace penstock::spool {

namespace {

constexpr size_t kMaxReason = 300;
constexpr int kHexadecimal = 16;

// Appends numbers, each behind a blank but the first.
class Words {
 public:
  void add(std::string_view word) {
    if (!line_.empty()) line_ += ' ';
    line_ += word;
  }
  template <typename Number>
  void add_number(Number number, int base = 10) {
    std::array<char, 24> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, base);
    add({digits.data(), end.ptr});
  }
  void add_time(const Timestamp& time) {
    add_number(time.seconds);
    add_number(time.nanoseconds);
  }
  std::string& line() { return line_; }

 private:
  std::string line_;
};

// Takes the words of a line one by one; the first bad one makes all bad. The way to the end of a
// word makes the checksum, too: an index may have a hundred thousand lines, read in each run.
class Reader {
 public:
  explicit Reader(std::string_view line) : rest_(line) {}

  std::string_view word() {
    if (at_end_) good_ = false;
    if (!is_first_) hash_.add(' ');
    is_first_ = false;
    size_t length = 0;
    for (; length < rest_.size() && rest_[length] != ' '; ++length) hash_.add(rest_[length]);
    const std::string_view word = rest_.substr(0, length);
    at_end_ = length == rest_.size();
    rest_.remove_prefix(at_end_ ? length : length + 1);
    return word;
  }
  // Of the words so far and the blanks between them.
  uint64_t checksum() const { return hash_.value(); }
  template <typename Number>
  Number number(int base = 10) {
    return number_in<Number>(word(), base);
  }
  template <typename Number>
  Number number_in(std::string_view word, int base = 10) {
    Number value{};
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value, base);
    if (error != std::errc() || end != word.data() + word.size() || word.empty()) good_ = false;
    return value;
  }
  Timestamp time() {
    const auto seconds = number<int64_t>();
    return {.seconds = seconds, .nanoseconds = number<uint32_t>()};
  }
  bool is_good() const { return good_; }
  bool is_over() const { return good_ && at_end_; }

 private:
  std::string_view rest_;
  Fnv1a hash_;
  bool is_first_ = true;
  bool good_ = true;
  bool at_end_ = false;
};

}  // namespace

uint64_t digest_of(std::string_view text) {
  return fnv1a(text);
}

std::string encode(const IndexRow& row) {
  Words words;
  words.add_number(row.way, kHexadecimal);
  words.add_number(row.name, kHexadecimal);
  words.add_number(row.id.device);
  words.add_number(row.id.inode);
  words.add_number(row.id.size);
  words.add_time(row.id.modified);
  words.add_time(row.changed);
  if (const auto* header = std::get_if<IndexedHeader>(&row.entry)) {
    words.add("+");
    words.add_number(header->number);
    words.add_time(header->created);
    if (header->sealed_bytes) {
      words.add_number(*header->sealed_bytes);
      words.add_number(header->sealed_as.value_or(0), kHexadecimal);
    } else {
      words.add("-");
    }
  } else {
    const auto& failure = std::get<IndexedFailure>(row.entry);
    words.add("-");
    words.add_time(failure.found);
    words.add(percent_encoded(std::string_view(failure.reason).substr(0, kMaxReason)));
  }
  const uint64_t check = fnv1a(words.line());
  words.add_number(check, kHexadecimal);
  return std::move(words.line()) + "\n";
}

std::optional<IndexRow> decode_index_line(std::string_view line) {
  Reader words(line);
  IndexRow row;
  row.way = words.number<uint64_t>(kHexadecimal);
  row.name = words.number<uint64_t>(kHexadecimal);
  row.id.device = words.number<uint64_t>();
  row.id.inode = words.number<uint64_t>();
  row.id.size = words.number<uint64_t>();
  row.id.modified = words.time();
  row.changed = words.time();
  const std::string_view kind = words.word();
  if (kind == "+") {
    IndexedHeader header;
    header.number = words.number<uint64_t>();
    header.created = words.time();
    const std::string_view sealed = words.word();
    if (sealed != "-") {
      header.sealed_bytes = words.number_in<uint64_t>(sealed);
      header.sealed_as = words.number<uint64_t>(kHexadecimal);
    }
    if (!is_representable(header.created)) return std::nullopt;
    row.entry = header;
  } else if (kind == "-") {
    IndexedFailure failure{.found = words.time(), .reason = {}};
    auto reason = percent_decoded(words.word());
    if (!reason) return std::nullopt;
    failure.reason = std::move(*reason);
    row.entry = std::move(failure);
  } else {
    return std::nullopt;
  }
  const uint64_t checksum = words.checksum();
  if (words.number<uint64_t>(kHexadecimal) != checksum || !words.is_over()) return std::nullopt;
  return row;
}

}  // namespace penstock::spool
