// What `enqueue` is about to do, in the sender's FILE.lock: a job appears in a queue, then its
// number is used up. Whoever takes the lock after a crash between the two completes it. fspl
// neither reads nor touches the line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace penstock::spool {

struct EnqueueNote {
  uint64_t number = 0;
  std::string queue_dir;
  std::string file;  // its name in jobs/

  bool operator==(const EnqueueNote&) const = default;
};

// "penstock-enqueue 1 number=7 file=… queue=…\n" with everything but plain characters as %NN.
std::string encode(const EnqueueNote& note);
// Nothing for anything else, also for a line that was cut.
std::optional<EnqueueNote> decode_enqueue_note(const std::string& text);

// Durable once it returns. `queue_dir` is made absolute, as the next one may run elsewhere.
void write_enqueue_note(int lock_fd, EnqueueNote note);
std::optional<EnqueueNote> read_enqueue_note(int lock_fd);

}  // namespace penstock::spool
