// The report beside a job in the quarantine, which people edit and programs read.
#include <cstdlib>
#include <string_view>

#include "spool/quarantine_report.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace penstock::spool;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto report = decode_quarantine_report(text);
  if (!report) return 0;
  // The head's values are lines, and what was understood can be written and means the same then.
  for (const auto& line : {report->file, report->time, report->reason}) {
    if (line.find('\n') != std::string_view::npos) std::abort();
  }
  if (decode_quarantine_report(encode(*report)) != report) std::abort();
  return 0;
}
