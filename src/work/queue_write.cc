#include "work/queue_write.h"

#include <unistd.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "packet/header.h"
#include "spool/injection.h"
#include "spool/queue.h"
#include "sys/files.h"

namespace penstock::work {

namespace {

constexpr size_t kBlock = 128UL << 10U;

// Checks a header that comes in blocks of any size.
class HeaderCheck {
 public:
  void look_at(std::span<const uint8_t> block) {
    while (!reader_.done() && !block.empty()) {
      const size_t count = std::min(reader_.wanted(), block.size());
      reader_.feed(block.first(count));
      block = block.subspan(count);
    }
  }
  void end(std::optional<uint64_t> number) const {
    if (!reader_.done()) reader_.end_of_input();
    const uint64_t own = reader_.metadata().sequence;
    if (number && own != *number)
      throw Error(cat("standard input is job ", own, ", not job ", *number));
  }

 private:
  packet::HeaderReader reader_;
};

}  // namespace

std::string queue_write(const std::string& queue_dir, const QueueWriteSettings& settings) {
  const spool::Queue queue(queue_dir);
  spool::Injection injection(queue, settings.number);
  HeaderCheck check;
  std::vector<uint8_t> buffer(kBlock);
  bool empty = true;
  try {
    while (const size_t count = sys::read_some(STDIN_FILENO, buffer, "standard input")) {
      empty = false;
      const auto block = std::span(buffer).first(count);
      if (settings.check_header) check.look_at(block);
      sys::write_all(injection.fd(), block, printable(queue.jobs_path()));
    }
    if (settings.check_header && !empty) check.end(settings.number);
  } catch (const packet::BadHeader& error) {
    throw error.with("standard input");
  }
  if (empty && !settings.allow_empty) {
    throw Error("standard input is empty: no job was added (--allow-empty takes it all the same)");
  }
  return injection.publish();
}

}  // namespace penstock::work
