#include "spool/quarantine_report.h"

#include "base/text.h"

namespace penstock::spool {

namespace {

// The value of "key: value\n" if `text` begins with that, which is taken off then.
std::optional<std::string_view> take_line(std::string_view& text, std::string_view key) {
  if (!text.starts_with(key) || !text.substr(key.size()).starts_with(": ")) return std::nullopt;
  text.remove_prefix(key.size() + 2);
  const size_t end = text.find('\n');
  const std::string_view value = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return value;
}

}  // namespace

std::string encode(const QuarantineReport& report) {
  return cat("job: ", report.number, "\nfile: ", report.file, "\ntime: ", report.time,
             "\nattempts: ", report.attempts, "\n",
             report.may_have_been_applied ? "may have been applied: yes\n" : "",
             "reason: ", report.reason, "\n", report.text);
}

std::optional<QuarantineReport> decode_quarantine_report(std::string_view text) {
  QuarantineReport report;
  const auto number = parse_u64(take_line(text, "job").value_or(""));
  if (!number) return std::nullopt;
  report.number = *number;
  report.file = take_line(text, "file").value_or("");
  report.time = take_line(text, "time").value_or("");
  const auto attempts = parse_u64(take_line(text, "attempts").value_or(""));
  if (attempts && *attempts <= UINT32_MAX) report.attempts = static_cast<uint32_t>(*attempts);
  report.may_have_been_applied = take_line(text, "may have been applied") == "yes";
  report.reason = take_line(text, "reason").value_or("");
  report.text = text;
  return report;
}

}  // namespace penstock::spool
