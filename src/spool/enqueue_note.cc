#include "spool/enqueue_note.h"

#include <cstdlib>
#include <memory>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "spool/run_record.h"
#include "sys/files.h"

namespace penstock::spool {

namespace {

constexpr std::string_view kIntro = "penstock-enqueue 1";

}  // namespace

std::string encode(const EnqueueNote& note) {
  return cat(kIntro, " number=", note.number, " file=", percent_encoded(note.file),
             " queue=", percent_encoded(note.queue_dir), "\n");
}

std::optional<EnqueueNote> decode_enqueue_note(const std::string& text) {
  std::string_view rest = text;
  if (!rest.ends_with('\n')) return std::nullopt;
  rest.remove_suffix(1);
  auto take = [&rest](std::string_view word) {
    if (!rest.starts_with(word)) return std::optional<std::string_view>();
    rest.remove_prefix(word.size());
    const std::string_view value = rest.substr(0, rest.find(' '));
    rest.remove_prefix(value.size());
    return std::optional(value);
  };
  const auto intro = take(kIntro.substr(0, kIntro.find(' ')));
  const auto version = take(" 1");
  const auto number = take(" number=");
  const auto file = take(" file=");
  const auto queue = take(" queue=");
  if (!intro || !version || !number || !file || !queue || !rest.empty()) return std::nullopt;
  const auto parsed = parse_u64(*number);
  auto name = percent_decoded(*file);
  auto dir = percent_decoded(*queue);
  if (!parsed || !name || !dir || name->empty() || dir->empty()) return std::nullopt;
  return EnqueueNote{.number = *parsed, .queue_dir = std::move(*dir), .file = std::move(*name)};
}

void write_enqueue_note(int lock_fd, EnqueueNote note) {
  if (!note.queue_dir.starts_with('/')) {
    const std::unique_ptr<char, void (*)(void*)> absolute(
        ::realpath(note.queue_dir.c_str(), nullptr), std::free);
    if (!absolute) throw Error::from_errno(cat("find ", printable(note.queue_dir)));
    note.queue_dir = absolute.get();
  }
  const std::string line = encode(note);
  sys::truncate(lock_fd, 0, "the lock file");
  sys::pwrite_all(lock_fd, line, 0, "the lock file");
  sys::sync_data(lock_fd, "the lock file");
}

std::optional<EnqueueNote> read_enqueue_note(int lock_fd) {
  return decode_enqueue_note(sys::read_small_file(lock_fd, 3 * kMaxRecordBytes, "the lock file"));
}

}  // namespace penstock::spool
