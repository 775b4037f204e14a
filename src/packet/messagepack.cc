#include "packet/messagepack.h"

#define MSGPACK_NO_BOOST
// Where the offset stands after a visitor said no differs between versions of the API.
#define MSGPACK_DEFAULT_API_VERSION 3
#include <msgpack/null_visitor.hpp>
#include <msgpack/pack.hpp>
#include <msgpack/unpack.hpp>
#include <utility>

#include "base/text.h"
#include "packet/bad_header.h"

namespace penstock::packet {

namespace {

// What the library says about bytes that are no value.
struct Visitor : msgpack::null_visitor {
  bool cut = false;
  bool garbled = false;

  void insufficient_bytes(size_t /*parsed*/, size_t /*error*/) { cut = true; }
  void parse_error(size_t /*parsed*/, size_t /*error*/) { garbled = true; }
};

// Takes one scalar, or the head of an array or map, and says no when asked for the first element:
// that leaves the library's offset just behind the head, and makes a reader that is asked out of a
// parser that calls back.
struct TokenVisitor : Visitor {
  Token token;

  bool visit_positive_integer(uint64_t value) {
    token = {.type = Token::Type::unsigned_integer, .number = value};
    return true;
  }
  // Also called for d0 to d3 with a value that is not negative.
  bool visit_negative_integer(int64_t value) {
    if (value >= 0) return visit_positive_integer(static_cast<uint64_t>(value));
    token = {.type = Token::Type::negative_integer, .negative = value};
    return true;
  }
  bool visit_str(const char* data, uint32_t size) {
    // The library passes null, or an old pointer, with an empty text.
    const std::string_view text = size == 0 ? std::string_view() : std::string_view(data, size);
    token = {.type = Token::Type::text, .text = text};
    return true;
  }
  bool start_array(uint32_t elements) {
    token = {.type = Token::Type::array, .number = elements};
    return true;
  }
  bool start_array_item() { return false; }
  bool start_map(uint32_t pairs) {
    token = {.type = Token::Type::map, .number = pairs};
    return true;
  }
  bool start_map_key() { return false; }
};

// Collects one array of bytes; anything else makes it stop. The number of elements that an array
// claims is not used.
struct BytesVisitor : Visitor {
  std::string bytes;
  bool in_array = false;
  bool wrong = false;

  bool refuse() {
    wrong = true;
    return false;
  }
  bool visit_positive_integer(uint64_t value) {
    if (!in_array || value > 0xff) return refuse();
    bytes += static_cast<char>(static_cast<unsigned char>(value));
    return true;
  }
  bool visit_negative_integer(int64_t value) {
    return value < 0 ? refuse() : visit_positive_integer(static_cast<uint64_t>(value));
  }
  bool start_array(uint32_t /*elements*/) {
    if (in_array) return refuse();
    in_array = true;
    return true;
  }
  bool start_map(uint32_t /*pairs*/) { return refuse(); }
  bool visit_nil() { return refuse(); }
  bool visit_boolean(bool /*value*/) { return refuse(); }
  bool visit_float32(float /*value*/) { return refuse(); }
  bool visit_float64(double /*value*/) { return refuse(); }
  bool visit_str(const char* /*data*/, uint32_t /*size*/) { return refuse(); }
  bool visit_bin(const char* /*data*/, uint32_t /*size*/) { return refuse(); }
  bool visit_ext(const char* /*data*/, uint32_t /*size*/) { return refuse(); }
};

// Passes over anything that is not nested too deeply. The library keeps its stack on the heap, so
// that depth is not ours to fear, but fspl's limit is kept: what we forward it must be able to
// read.
struct SkipVisitor : Visitor {
  uint32_t depth = 0;

  bool enter() { return ++depth <= kMaxDepth; }
  bool leave() {
    --depth;
    return true;
  }
  bool start_array(uint32_t /*elements*/) { return enter(); }
  bool start_map(uint32_t /*pairs*/) { return enter(); }
  bool end_array() { return leave(); }
  bool end_map() { return leave(); }
};

// What the library's packer writes to.
struct Sink {
  std::string& out;
  void write(const char* data, size_t size) { out.append(data, size); }
};

}  // namespace

template <typename AnyVisitor>
void MessagePackReader::parse(AnyVisitor& visitor) {
  const auto* data = reinterpret_cast<const char*>(bytes_.data());
  try {
    msgpack::parse(data, bytes_.size(), offset_, visitor);
  } catch (const msgpack::unpack_error&) {
    // An ext of 4 GiB where size_t has 32 bits.
    visitor.garbled = true;
  }
  if (visitor.cut) throw BadHeader("the metadata is cut short");
  if (visitor.garbled) throw BadHeader("the metadata is not MessagePack");
}

Token MessagePackReader::next() {
  TokenVisitor visitor;
  parse(visitor);
  return visitor.token;
}

std::string MessagePackReader::next_bytes(std::string_view what) {
  BytesVisitor visitor;
  parse(visitor);
  if (visitor.wrong) throw BadHeader(cat(what, " is not an array of bytes"));
  return std::move(visitor.bytes);
}

std::string_view MessagePackReader::skip_value() {
  const size_t start = offset_;
  SkipVisitor visitor;
  parse(visitor);
  if (visitor.depth > kMaxDepth) throw BadHeader("the metadata is nested too deeply");
  return {reinterpret_cast<const char*>(bytes_.data()) + start, offset_ - start};
}

void MessagePackWriter::add_unsigned(uint64_t value) {
  Sink sink{out_};
  msgpack::packer<Sink>(sink).pack_uint64(value);
}

void MessagePackWriter::add_wide_unsigned(uint64_t value) {
  Sink sink{out_};
  msgpack::packer<Sink>(sink).pack_fix_uint64(value);
}

void MessagePackWriter::add_signed(int64_t value) {
  Sink sink{out_};
  msgpack::packer<Sink>(sink).pack_int64(value);
}

void MessagePackWriter::add_text(std::string_view text) {
  Sink sink{out_};
  const auto size = static_cast<uint32_t>(text.size());
  // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): its size goes with it
  msgpack::packer<Sink>(sink).pack_str(size).pack_str_body(text.data(), size);
}

void MessagePackWriter::add_array(size_t elements) {
  Sink sink{out_};
  msgpack::packer<Sink>(sink).pack_array(static_cast<uint32_t>(elements));
}

void MessagePackWriter::add_map(size_t pairs) {
  Sink sink{out_};
  msgpack::packer<Sink>(sink).pack_map(static_cast<uint32_t>(pairs));
}

void MessagePackWriter::add_bytes(std::string_view bytes) {
  add_array(bytes.size());
  Sink sink{out_};
  msgpack::packer<Sink> packer(sink);
  for (const char byte : bytes) packer.pack_uint8(static_cast<uint8_t>(byte));
}

}  // namespace penstock::packet
