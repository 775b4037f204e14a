#include "work/prepare.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <functional>

#include "base/error.h"
#include "base/text.h"
#include "packet/header.h"
#include "spool/enqueue_note.h"
#include "spool/injection.h"
#include "spool/queue.h"
#include "spool/run_record.h"
#include "spool/sequence_file.h"
#include "spool/sequence_text.h"
#include "sys/exit_status.h"
#include "sys/files.h"
#include "sys/signals.h"
#include "work/sealing.h"
#include "work/sender_input.h"
#include "work/signing.h"

namespace penstock::work {

namespace {

constexpr std::chrono::milliseconds kLockSleep{5};
constexpr std::string_view kVariablePrefix = "FSPL_SET_";

// Standard output, which may be a pipe whose reader sleeps: a write that waits for him would hear
// no signal.
class Output {
 public:
  explicit Output(const EndSignals& signals) : signals_(signals) {
    struct stat status {};
    waits_ = ::fstat(STDOUT_FILENO, &status) == 0 && !S_ISREG(status.st_mode);
    if (waits_ && S_ISFIFO(status.st_mode)) own_ = description_of_our_own();
  }

  void write(std::span<const uint8_t> bytes) {
    const int fd = own_ ? own_.get() : STDOUT_FILENO;
    while (!bytes.empty()) {
      if (waits_) signals_.wait_for(fd, POLLOUT);
      // Whatever is writable has room for PIPE_BUF bytes; for more a blocking write might wait.
      const bool in_pieces = waits_ && !own_;
      const size_t most = in_pieces ? std::min<size_t>(bytes.size(), PIPE_BUF) : bytes.size();
      const ssize_t count = ::write(fd, bytes.data(), most);
      if (count < 0 && (errno == EINTR || (own_ && errno == EAGAIN))) continue;
      if (count < 0) throw Error::from_errno("write standard output");
      written_ += static_cast<uint64_t>(count);
      bytes = bytes.subspan(static_cast<size_t>(count));
    }
  }

  void close() {
    own_.reset();
    sys::close(sys::UniqueFd(STDOUT_FILENO), "standard output");
  }

  uint64_t written() const { return written_; }

 private:
  // O_NONBLOCK belongs to the description, and that of standard output is not ours alone. Another
  // user's pipe may refuse.
  static sys::UniqueFd description_of_our_own() {
    try {
      return sys::reopen(STDOUT_FILENO, O_WRONLY | O_NONBLOCK);
    } catch (const Error&) {
      return {};  // slower, in pieces
    }
  }

  const EndSignals& signals_;
  bool waits_ = false;
  sys::UniqueFd own_;
  uint64_t written_ = 0;
};

packet::Metadata describe_job(const PrepareSettings& settings) {
  packet::Metadata metadata{.created = Timestamp::now(), .kind = settings.kind};
  if (settings.kind != packet::Kind::command) return metadata;
  metadata.params = settings.params;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    std::string_view text = *variable;
    if (!text.starts_with(kVariablePrefix)) continue;
    text.remove_prefix(kVariablePrefix.size());
    const size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    metadata.env.push_back({.name = std::string(text.substr(0, equals)),
                            .value = std::string(text.substr(equals + 1))});
  }
  return metadata;
}

Error busy(const std::string& seqfile) {
  return Error(cat(printable(seqfile), " is busy: ", spool::describe_holder(seqfile)));
}

spool::SequenceLock lock_sequence(const std::string& seqfile, std::chrono::seconds wait) {
  auto lock = spool::SequenceLock::take(seqfile, spool::SequenceLock::Side::sender, wait);
  if (!lock) throw busy(seqfile);
  return std::move(*lock);
}

// The same for one who has blocked the signals that would end the wait.
spool::SequenceLock lock_sequence(const PrepareSettings& settings, const EndSignals& signals) {
  const auto end = std::chrono::steady_clock::now() + settings.lock_wait;
  for (;;) {
    if (auto lock = spool::SequenceLock::take(settings.seqfile, spool::SequenceLock::Side::sender))
      return std::move(*lock);
    if (std::chrono::steady_clock::now() >= end) throw busy(settings.seqfile);
    signals.sleep(kLockSleep);
  }
}

// Whether the job of this note came to be: it lies there, or has been run or put aside meanwhile.
bool was_published(const spool::EnqueueNote& note) {
  const spool::Queue queue(note.queue_dir);
  if (sys::status_of_path(queue.job_path(note.file))) return true;
  if (sys::status_of_path(cat(queue.private_path(), "/quarantine/", note.file))) return true;
  try {
    return spool::read_sequence_unlocked(queue.sequence_path()) > note.number;
  } catch (const Error&) {
    return false;  // an append-only queue has none
  }
}

// The number that comes next, once an enqueue that was killed before its last step has been
// completed.
uint64_t settled_number(const spool::SequenceLock& lock, spool::SequenceFile& file) {
  const uint64_t number = file.read();
  const auto note = spool::read_enqueue_note(lock.fd());
  if (!note) return number;
  const bool used = note->number == number && was_published(*note);
  if (used) file.write(spool::successor(number));
  spool::clear_run_record(lock.fd());
  return used ? number + 1 : number;
}

uint64_t take_number(const PrepareSettings& settings, const EndSignals& signals) {
  const spool::SequenceLock lock = lock_sequence(settings, signals);
  auto file = spool::SequenceFile::open_or_create(lock);
  const uint64_t number = settled_number(lock, file);
  file.write(spool::successor(number));
  return number;
}

// Only while nobody has taken the next one.
bool put_back(const PrepareSettings& settings, uint64_t number) {
  try {
    const spool::SequenceLock lock = lock_sequence(settings.seqfile, settings.lock_wait);
    auto file = spool::SequenceFile::open(lock);
    if (file.read() != number + 1) return false;
    file.write(number);
    return true;
  } catch (const Error&) {
    return false;  // the first failure is the one to tell, with what it cost
  }
}

std::optional<Signer> signer_of(const PrepareSettings& settings) {
  if (!settings.sign_key) return std::nullopt;
  return Signer(*settings.sign_key, settings.sign_for);
}

std::string header_of(packet::Metadata& metadata, const std::optional<Signer>& signer,
                      packet::SequenceWidth width) {
  if (signer) return signer->signed_header(metadata, width);
  return width == packet::SequenceWidth::fixed ? packet::encode_header_fixed_width(metadata)
                                               : packet::encode_header(metadata);
}

std::string how_to_fill(uint64_t number) {
  return cat(
      "number ", number,
      " is lost, and the receiver will wait for it: send it what `penstock prepare-nop --fill ",
      number, "` makes");
}

}  // namespace

void prepare(const PrepareSettings& settings) {
  // A reader that went away must leave us the time to say what was lost.
  sys::ignore_sigpipe();
  sys::check_stdout();
  const std::optional<Signer> signer = signer_of(settings);
  Input input(settings.input);
  packet::Metadata metadata = describe_job(settings);
  // All that can fail before the number is needed fails here.
  const EndSignals signals;
  std::optional<SealedInput> sealed;
  if (settings.seal) {
    sealed.emplace(input, signals, settings.spool_dir);
    metadata.seal = sealed->seal();
  }
  auto next_block = [&] { return sealed ? sealed->next(signals) : input.next(signals); };
  std::span<const uint8_t> block = next_block();
  const bool from_file = !settings.fill && settings.seqfile != "-";
  metadata.sequence = settings.fill.value_or(1);
  constexpr auto kWidth = packet::SequenceWidth::shortest;
  header_of(metadata, signer, kWidth);
  if (from_file) metadata.sequence = take_number(settings, signals);

  Output output(signals);
  try {
    // Header and first block in one write: most job files are that small.
    const std::string header = header_of(metadata, signer, kWidth);
    std::vector<uint8_t> first(header.begin(), header.end());
    first.insert(first.end(), block.begin(), block.end());
    output.write(first);
    while (!block.empty()) {
      block = next_block();
      output.write(block);
    }
    output.close();
  } catch (const Error& error) {
    if (!from_file) throw;
    if (output.written() == 0 && put_back(settings, metadata.sequence)) {
      throw Error(cat(error.message(), "; nothing was written, and number ", metadata.sequence,
                      " is still free"));
    }
    throw Error(cat(error.message(), "; ", how_to_fill(metadata.sequence)), error.code());
  }
}

std::string enqueue(const PrepareSettings& settings, const std::string& queue_dir) {
  const std::optional<Signer> signer = signer_of(settings);
  Input input(settings.input);
  const EndSignals signals;
  packet::Metadata metadata = describe_job(settings);
  metadata.sequence = 1;
  const spool::Queue queue(queue_dir);
  spool::Injection injection(queue);
  std::optional<SealMaker> maker;
  if (settings.seal) {
    maker.emplace();
    metadata.seal = packet::Seal{};
  }
  const auto header = [&] { return header_of(metadata, signer, packet::SequenceWidth::fixed); };
  // A header of the final length first, with its number and its seal still to come.
  sys::write_all(injection.fd(), header(), "the job file");
  for (auto block = input.next(signals); !block.empty(); block = input.next(signals)) {
    if (maker) maker->add(block);
    sys::write_all(injection.fd(), block, "the job file");
  }
  if (maker) metadata.seal = maker->seal();
  auto settle_header = [&] { sys::pwrite_all(injection.fd(), header(), 0, "the job file"); };
  if (settings.seqfile == "-") {
    if (maker) settle_header();
    return injection.publish();
  }

  const spool::SequenceLock lock = lock_sequence(settings, signals);
  auto file = spool::SequenceFile::open_or_create(lock);
  metadata.sequence = settled_number(lock, file);
  const uint64_t after = spool::successor(metadata.sequence);
  settle_header();
  injection.set_number(metadata.sequence);
  // Killed between the job's appearance and the number's, we would give the number twice: so the
  // lock file says what we are about to do, and whoever takes a number next completes it.
  spool::write_enqueue_note(
      lock.fd(), {.number = metadata.sequence, .queue_dir = queue_dir, .file = injection.name()});
  std::string name = injection.publish();
  file.write(after);
  spool::clear_run_record(lock.fd());
  return name;
}

uint64_t next_number(const std::string& seqfile, std::chrono::seconds lock_wait) {
  const spool::SequenceLock lock = lock_sequence(seqfile, lock_wait);
  auto file = spool::SequenceFile::open_or_create(lock);
  return settled_number(lock, file);
}

void set_next_number(const std::string& seqfile, uint64_t number, std::chrono::seconds lock_wait) {
  const spool::SequenceLock lock = lock_sequence(seqfile, lock_wait);
  spool::SequenceFile::open_or_create(lock, number).write(number);
  spool::clear_run_record(lock.fd());
}

}  // namespace penstock::work
