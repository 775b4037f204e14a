// A line of the header index, which whoever owns the queue can write. The first byte chooses
// whether the rest is a line, or the words of one that gets a good check, which no fuzzer would
// guess.
#include <charconv>
#include <cstdlib>
#include <string>

#include "base/fnv.h"
#include "spool/index_line.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace penstock;
  using namespace penstock::spool;
  if (size == 0) return 0;
  std::string line(reinterpret_cast<const char*>(data + 1), size - 1);
  if (data[0] % 2 != 0) {
    char check[17] = {};
    std::to_chars(check, check + 16, fnv1a(line), 16);
    line += std::string(" ") + check;
  }
  const auto row = decode_index_line(line);
  if (!row) return 0;
  // What was understood can be written and means the same then; long reasons are cut once.
  std::string again = encode(*row);
  again.pop_back();
  const auto back = decode_index_line(again);
  if (!back || again.find('\n') != std::string::npos) std::abort();
  std::string third = encode(*back);
  third.pop_back();
  if (third != again) std::abort();
  return 0;
}
