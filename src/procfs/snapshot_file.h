// A pair of snapshots as a file, to be sent to somebody else: JSON, docs/formats/snapshot-file.md.
// No payload is in it; arguments are, unless redacted.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "procfs/snapshot.h"

namespace penstock::procfs {

enum class Arguments { keep, redact };

std::string encode_snapshots(const Snapshot& before, const Snapshot& after, Arguments arguments);
// Throws Error with what is wrong and where; any bytes may come (fuzzed).
std::pair<Snapshot, Snapshot> decode_snapshots(std::string_view text);

}  // namespace penstock::procfs
