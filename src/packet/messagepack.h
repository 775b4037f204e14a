// MessagePack, as far as metadata blocks need it: values one at a time from bytes, and their
// shortest forms into bytes. The only place that knows the library
// (docs/decisions/0003-messagepack.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace penstock::packet {

// Arrays and maps within each other, counted from 1, that skip_value() still follows. fspl's limit.
inline constexpr uint32_t kMaxDepth = 1022;

// One value, or the head of an array or map whose elements follow.
struct Token {
  // `other` is nil, a boolean, a float, bin or ext: nothing that metadata has a use for.
  enum class Type { unsigned_integer, negative_integer, text, array, map, other };

  Type type = Type::other;
  // The value of an unsigned integer; the number of elements of an array, of pairs of a map.
  uint64_t number = 0;
  // The value of a negative integer.
  int64_t negative = 0;
  // The bytes of a text, within those the reader reads from. Not necessarily UTF-8.
  std::string_view text;
};

// Reads values from front to back and copies no more than it returns; each call takes time
// proportional to the bytes it passes. All throw BadHeader where the bytes are cut short or are not
// MessagePack.
class MessagePackReader {
 public:
  // `bytes` is borrowed and must outlive the reader and its tokens.
  explicit MessagePackReader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  Token next();
  // An array of integers 0 to 255, as its bytes. `what` names it in errors ("a parameter").
  std::string next_bytes(std::string_view what);
  // The encoded form of one whole value of any kind, nested at most kMaxDepth deep.
  std::string_view skip_value();

 private:
  template <typename AnyVisitor>
  void parse(AnyVisitor& visitor);

  std::span<const uint8_t> bytes_;
  size_t offset_ = 0;
};

// Appends values in their shortest forms. Arrays and maps are heads only: their elements are added
// after them.
class MessagePackWriter {
 public:
  void add_unsigned(uint64_t value);
  // In nine bytes, whatever the value.
  void add_wide_unsigned(uint64_t value);
  void add_signed(int64_t value);
  void add_text(std::string_view text);
  void add_array(size_t elements);
  void add_map(size_t pairs);
  // An array of integers 0 to 255.
  void add_bytes(std::string_view bytes);
  // One value that is encoded already.
  void add_encoded(std::string_view value) { out_ += value; }

  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

}  // namespace penstock::packet
