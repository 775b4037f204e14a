// The line itself: encode() and decode_run_record(). Its grammar is in docs/design/spool.md.
#include <array>
#include <cassert>
#include <climits>
#include <map>

#include "base/fnv.h"
#include "base/text.h"
#include "spool/run_record.h"

namespace penstock::spool {

namespace {

constexpr std::string_view kMagic = "penstock-run 1";
constexpr std::string_view kCheck = " check=";
constexpr size_t kSector = 512;
constexpr size_t kMaxText = 255;  // of host, file and boot; encoded they still fit kMaxRecordBytes
constexpr size_t kMaxEnd = 64;    // of how an attempt ended
constexpr std::array<std::string_view, 4> kPolicies = {"retry", "delete", "leave", "quarantine"};

std::string time_text(const Timestamp& time) {
  return cat(time.seconds, ".", time.nanoseconds);
}

// The words "key=value" of a line. Each reader below fails the whole line if its word is missing or
// bad.
class Words {
 public:
  explicit Words(std::string_view line) {
    while (!line.empty()) {
      const size_t blank = line.find(' ');
      const std::string_view word = line.substr(0, blank);
      line.remove_prefix(blank == std::string_view::npos ? line.size() : blank + 1);
      if (word.empty()) continue;
      const size_t sign = word.find('=');
      if (sign == std::string_view::npos ||
          !words_.emplace(word.substr(0, sign), word.substr(sign + 1)).second) {
        good_ = false;
      }
    }
  }

  bool good() const { return good_; }
  bool has(std::string_view key) const { return words_.contains(key); }

  std::string_view text(std::string_view key) {
    const auto word = words_.find(key);
    if (word != words_.end()) return word->second;
    good_ = false;
    return {};
  }
  uint64_t number(std::string_view key, uint64_t most = UINT64_MAX) {
    const auto value = parse_u64(text(key));
    if (value && *value <= most) return *value;
    good_ = false;
    return 0;
  }
  bool flag(std::string_view key) { return number(key, 1) == 1; }
  std::string bytes(std::string_view key, size_t most = kMaxText) {
    auto value = percent_decoded(text(key));
    if (value && value->size() <= most) return *value;
    good_ = false;
    return "";
  }
  Timestamp time(std::string_view key) {
    std::string_view value = text(key);
    const bool negative = value.starts_with('-');
    if (negative) value.remove_prefix(1);
    const size_t point = value.find('.');
    const auto seconds = parse_u64(value.substr(0, point));
    const auto nanoseconds =
        parse_u64(point == std::string_view::npos ? "" : value.substr(point + 1));
    if (!seconds || *seconds > INT64_MAX || !nanoseconds || *nanoseconds >= 1'000'000'000U) {
      good_ = false;
      return {};
    }
    const auto count = static_cast<int64_t>(*seconds);
    const Timestamp result = {.seconds = negative ? -count : count,
                              .nanoseconds = static_cast<uint32_t>(*nanoseconds)};
    if (!is_representable(result)) good_ = false;
    return result;
  }
  OnError policy(std::string_view key) {
    const std::string_view value = text(key);
    for (size_t i = 0; i < kPolicies.size(); ++i) {
      if (kPolicies.at(i) == value) return static_cast<OnError>(i);
    }
    good_ = false;
    return OnError::retry;
  }

 private:
  std::map<std::string_view, std::string_view> words_;
  bool good_ = true;
};

}  // namespace

std::string encode(const RunRecord& record) {
  std::string line =
      cat(kMagic, " pid=", record.pid, " start=", record.start,
          " host=", percent_encoded(record.host), " since=", time_text(record.since),
          " first=", record.range.first, " before=", time_text(record.range.before),
          " boot=", percent_encoded(record.range.boot), " nextseq=", record.range.sequence_inode,
          " policy=", kPolicies.at(static_cast<size_t>(record.on_error)),
          " keep=", record.never_delete ? 1 : 0, " ended=", record.ended ? 1 : 0);
  if (record.range.sequence_born != Timestamp{})
    line += cat(" born=", time_text(record.range.sequence_born));
  if (record.job) {
    line += cat(" job=", record.job->number, " file=", percent_encoded(record.job->file),
                " inode=", record.job->inode, " attempt=", record.job->attempt,
                " done=", record.job->done ? 1 : 0);
    // Words that came later are left out where they say nothing: see decode_run_record().
    if (record.job->is_next) line += " next=1";
    if (!record.job->end.empty()) line += cat(" end=", percent_encoded(record.job->end));
    if (record.job->failed_at != Timestamp{})
      line += cat(" failed=", time_text(record.job->failed_at));
  }
  if (record.row.count > 0) {
    line +=
        cat(" row=", record.row.count, " row-first=", record.row.first,
            " row-file=", percent_encoded(record.row.first_file), " row-last=", record.row.last);
  }
  line += cat(kCheck, fnv1a(line));
  const size_t size = (line.size() + 1 + kSector - 1) / kSector * kSector;
  assert(size <= kMaxRecordBytes);
  line.resize(size - 1, ' ');
  return line + "\n";
}

std::optional<RunRecord> decode_run_record(std::string_view text) {
  text = text.substr(0, kMaxRecordBytes);
  const size_t end = text.find('\n');
  if (end == std::string_view::npos || !text.starts_with(kMagic)) return std::nullopt;
  text = text.substr(0, end);
  const size_t check = text.rfind(kCheck);
  if (check == std::string_view::npos ||
      parse_u64(trim(text.substr(check + kCheck.size()))) != fnv1a(text.substr(0, check))) {
    return std::nullopt;
  }
  Words words(text.substr(kMagic.size(), check - kMagic.size()));
  RunRecord record = {
      .pid = static_cast<pid_t>(words.number("pid", INT_MAX)),
      .start = words.number("start"),
      .host = words.bytes("host"),
      .since = words.time("since"),
      .range = {.first = words.number("first"),
                .before = words.time("before"),
                .boot = words.bytes("boot"),
                .sequence_inode = words.number("nextseq")},
      .on_error = words.policy("policy"),
      .never_delete = words.flag("keep"),
      .ended = words.flag("ended"),
  };
  // Lacking in what earlier versions have written.
  if (words.has("born")) record.range.sequence_born = words.time("born");
  if (words.has("job")) {
    record.job = {.number = words.number("job"),
                  .file = words.bytes("file"),
                  .inode = words.number("inode"),
                  .attempt = static_cast<uint32_t>(words.number("attempt", UINT32_MAX)),
                  .done = words.flag("done")};
    if (words.has("next")) record.job->is_next = words.flag("next");
    if (words.has("end")) record.job->end = words.bytes("end", kMaxEnd);
    if (words.has("failed")) record.job->failed_at = words.time("failed");
  }
  if (words.has("row")) {
    record.row = {.count = static_cast<uint32_t>(words.number("row", UINT32_MAX)),
                  .first = words.number("row-first"),
                  .first_file = words.bytes("row-file"),
                  .last = words.number("row-last")};
    if (record.row.count == 0) return std::nullopt;
  }
  if (!words.good()) return std::nullopt;
  return record;
}

}  // namespace penstock::spool
