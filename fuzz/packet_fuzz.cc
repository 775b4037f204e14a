// Job files from anywhere. The first byte decides how the rest is read: the upper half takes it as
// a metadata block and puts a good prefix in front, or no fuzzer would get past the checksums; the
// lower half takes it as it is.
#include <algorithm>
#include <cstdlib>

#include "packet/header.h"

namespace {

using namespace penstock::packet;

std::string_view as_text(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::span<const uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

void require(bool truth) {
  if (!truth) std::abort();
}

// In pieces of changing sizes, starting with `seed`.
Metadata read(std::span<const uint8_t> file, unsigned seed) {
  HeaderReader reader;
  size_t at = 0;
  while (!reader.done()) {
    if (at == file.size()) reader.end_of_input();
    seed = seed * 1103515245 + 12345;
    const size_t piece =
        std::min({reader.wanted(), file.size() - at, size_t{1} + (seed >> 16) % 97});
    reader.feed(file.subspan(at, piece));
    at += piece;
  }
  require(at == reader.header_bytes());
  return reader.metadata();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::span<const uint8_t> rest(data + 1, size - 1);
  std::string file(as_text(rest));
  if (data[0] >= 0x80) file.insert(0, encode_prefix(as_text(rest)));

  Metadata metadata;
  try {
    metadata = read(as_bytes(file), data[0]);
  } catch (const BadHeader&) {
    return 0;
  }
  // What was accepted can be written, and means the same then.
  require(read(as_bytes(encode_header(metadata)), 1) == metadata);
  require(read(as_bytes(encode_header_fixed_width(metadata)), 2) == metadata);
  return 0;
}
