// The report beside a job in the quarantine: a head, which programs read as well, and then text for
// people. Values that reach the disk: the words of the head are not to be changed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace penstock::spool {

struct QuarantineReport {
  uint64_t number = 0;
  std::string file;  // its name in jobs/, printable
  std::string time;  // when it was moved here, RFC 3339
  uint32_t attempts = 1;
  bool may_have_been_applied = false;
  std::string reason;  // one line
  std::string text;    // the rest: stages, bytes, stalls, what was said on stderr

  bool operator==(const QuarantineReport&) const = default;
};

// "job: 7\nfile: fspl-x.fspl\n…"
std::string encode(const QuarantineReport& report);
// Nothing if it does not begin as such a report does. Of one that was cut, what is there.
std::optional<QuarantineReport> decode_quarantine_report(std::string_view text);

}  // namespace penstock::spool
