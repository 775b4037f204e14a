// How a run's command gets its input: at once, by the pump, or straight from the last decoder.
// docs/design/pipeline.md has the three side by side.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "pipeline/run.h"
#include "sys/files.h"

namespace penstock::pipeline {

namespace {

// A plain payload of at most this size needs no thread and no gate.
constexpr size_t kAtOnceBytes = 64UL << 10U;

// Up to its end, if that comes too soon.
std::vector<uint8_t> read_all(const FilePayload& file) {
  std::vector<uint8_t> bytes(file.size);
  bytes.resize(
      sys::pread_full(file.fd.get(), bytes, static_cast<off_t>(file.offset), printable(file.name)));
  return bytes;
}

}  // namespace

// Leaves the command's stdin in command_stdin_ (or nothing, where it inherits ours), and the gate,
// if there is to be one, in gate_.
void Run::feed_command() {
  if (std::holds_alternative<NoPayload>(config_.payload)) {
    feed_nothing();
  } else if (auto* file = std::get_if<FilePayload>(&config_.payload)) {
    if (options_.stdin_kind == StdinKind::file) {
      assert(!config_.seal);
      give_file(*file);
      command_stdin_ = std::move(file->fd);  // it stands at the payload
    } else if (file->size <= kAtOnceBytes) {
      feed_at_once(*file);
    } else {
      feed_file(*file);
    }
  } else if (const auto* stream = std::get_if<StreamPayload>(&config_.payload)) {
    feed_by_pump({.source = stream->fd,
                  .hold = held_bytes(),
                  .seal = config_.seal,
                  .most = options_.max_payload,
                  .name = stream->name});
  } else if (upstream_ && (strength() == GateStrength::hold || config_.seal ||
                           options_.max_payload || upstream_->filter() != nullptr)) {
    source_ = upstream_->take_read_end();
    // A sealed payload is asked to its end, whatever the command had enough of.
    feed_by_pump({.source = source_.get(),
                  .hold = held_bytes(),
                  .seal = config_.seal,
                  .most = options_.max_payload,
                  .close_early = options_.close_on_early_end && !config_.seal,
                  .filter = upstream_->take_filter(),
                  .name = upstream_->count() > 0 ? "the decoder's output" : "the job file"});
  } else if (upstream_) {
    feed_directly();
  }
}

sys::Pipe Run::make_command_pipe(size_t& size) {
  sys::Pipe pipe = sys::Pipe::make();
  const size_t wanted =
      std::min(options_.pipe_size.value_or(sys::largest_pipe_size()), sys::largest_pipe_size());
  size = engine_.budget.enlarge(pipe.write.get(), wanted);
  exposed_ = size < sys::largest_pipe_size();
  return pipe;
}

void Run::feed_nothing() {
  command_stdin_ = sys::open_dev_null(O_RDONLY);
}

// Into an ordinary pipe before the command is there; the write end is closed, and all is said. What
// is sealed has been checked by then.
void Run::feed_at_once(FilePayload& file) {
  auto at_hand = std::exchange(file.bytes, std::nullopt);
  std::vector<uint8_t> bytes = at_hand ? std::move(*at_hand) : read_all(file);
  if (config_.seal) {
    SealCheck check(*config_.seal);
    check.add(bytes);
    check.finish();
  }
  if (bytes.size() < file.size) {
    throw Error(cat(printable(file.name), " shrank while it was read: ", file.size - bytes.size(),
                    " of ", file.size, " payload bytes are missing"));
  }
  sys::Pipe pipe = by_our_means(sys::Pipe::make);
  if (sys::pipe_size(pipe.write.get()) < bytes.size()) {
    // A user with too many pipes gets small ones (R07): then it is fed like a large payload.
    file.bytes = std::move(bytes);
    feed_file(file);
    return;
  }
  if (!bytes.empty()) sys::write_all(pipe.write.get(), bytes, "the command's input");
  fed_at_once_ = bytes.size();
  command_stdin_ = std::move(pipe.read);
}

void Run::feed_file(FilePayload& file) {
  give_file(file);
  source_ = std::move(file.fd);
  Pump::Config config{.source = source_.get(), .seal = config_.seal, .name = printable(file.name)};
  if (config_.seal) {
    config.hold = held_bytes();
    sys::seek(source_.get(), static_cast<off_t>(file.offset), config.name);
  } else {
    config.is_file = true;
    config.offset = file.offset;
    config.expected = file.size;
  }
  feed_by_pump(std::move(config));
}

void Run::give_file(FilePayload& file) {
  if (file.fd) return;
  assert(file.bytes);
  by_our_means([&] {
    file.fd = sys::make_memfd("penstock-payload");
    sys::write_all(file.fd.get(), *file.bytes, printable(file.name));
    sys::seek(file.fd.get(), 0, printable(file.name));
  });
}

void Run::feed_by_pump(Pump::Config config) {
  by_our_means([&] {
    size_t size = 0;
    sys::Pipe pipe = make_command_pipe(size);
    command_stdin_ = std::move(pipe.read);
    gate_ = std::make_unique<Gate>(engine_, std::move(pipe.write), size);
    config.sink = gate_->fd();
    pump_ = std::make_unique<Pump>(engine_.loop, std::move(config), [this] { evaluate(); });
  });
}

// The last decoder writes straight into the command's pipe.
void Run::feed_directly() {
  command_stdin_ = upstream_->take_read_end();
  exposed_ = sys::pipe_size(command_stdin_.get()) < sys::largest_pipe_size();
  if (strength() == GateStrength::off) return;
  // Only now: while the header was read nobody of ours held a write end, which would have hidden
  // its end.
  gate_ = std::make_unique<Gate>(engine_, sys::reopen(command_stdin_.get(), O_WRONLY),
                                 upstream_->take_output_size());
}

}  // namespace penstock::pipeline
