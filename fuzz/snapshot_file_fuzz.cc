// Snapshot files from anybody: either one Error, or something that can be written and means the
// same then.
#include <cstdlib>

#include "base/error.h"
#include "procfs/snapshot_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace penstock::procfs;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto [before, after] = decode_snapshots(text);
    const std::string again = encode_snapshots(before, after, Arguments::keep);
    if (decode_snapshots(again) != std::pair(before, after)) std::abort();
    decode_snapshots(encode_snapshots(before, after, Arguments::redact));
  } catch (const penstock::Error&) {
    return 0;
  }
  return 0;
}
