// The line in nextseq.lock, which everybody who may write there can replace. The first byte chooses
// whether the rest is a line, or the words of one that gets its beginning and a good check, which
// no fuzzer would guess.
#include <cstdlib>
#include <string>

#include "base/text.h"
#include "base/time.h"
#include "spool/run_record.h"

namespace {

using namespace penstock;
using namespace penstock::spool;

void require(bool truth) {
  if (!truth) std::abort();
}

// FNV-1a, as docs/design/spool.md says.
uint64_t checksum(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3U;
  }
  return hash;
}

std::string checked_line(std::string_view words) {
  const std::string line = cat("penstock-run 1", words.substr(0, words.find('\n')));
  return cat(line, " check=", checksum(line), "\n");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::string text = data[0] % 2 == 0 ? std::string(rest) : checked_line(rest);
  const auto record = decode_run_record(text);
  if (!record) return 0;
  // What was understood can be written, fits, and means the same then; cut anywhere it is nothing.
  const std::string again = encode(*record);
  require(again.size() <= kMaxRecordBytes && again.size() % 512 == 0);
  require(decode_run_record(again) == record);
  require(
      !decode_run_record(std::string_view(again).substr(0, again.find(" check=") + data[0] % 8)));
  require(is_utf8(holder_sentence(record, HolderState::gone)));
  return 0;
}
