// `--verify before`: the whole payload is taken in and judged, and only then is there a command.
#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "pipeline/run.h"
#include "sys/files.h"

namespace penstock::pipeline {

void Run::verify_first() {
  phase_ = Phase::verifying;
  SpooledPayload::Config spool{
      .directory = options_.spool_dir.empty() ? config_.spool_dir : options_.spool_dir,
      .at_least = config_.spool_at_least,
      .seal = config_.seal,
      .most = options_.max_payload};
  if (upstream_) {
    source_ = upstream_->take_read_end();
    spool.source = source_.get();
    spool.name = "the decoder's output";
  } else if (const auto* stream = std::get_if<StreamPayload>(&config_.payload)) {
    spool.source = stream->fd;
    spool.name = stream->name;
  } else if (auto* file = std::get_if<FilePayload>(&config_.payload)) {
    give_file(*file);
    spool.source = file->fd.get();
    spool.name = file->name;
    if (::lseek(file->fd.get(), static_cast<off_t>(file->offset), SEEK_SET) < 0) {
      throw Error::from_errno(cat("read ", printable(file->name)));
    }
  } else {
    spool.source = STDIN_FILENO;
    spool.name = "standard input";
  }
  spooled_ =
      std::make_unique<SpooledPayload>(engine_.loop, std::move(spool), [this] { evaluate(); });
}

void Run::verified() {
  // Its thread may have ended since evaluate() asked.
  if (const auto failure = payload_failure()) {
    fail(failure->kind, failure->sentence);
    return;
  }
  const uint64_t size = spooled_->size();
  if (const auto* file = std::get_if<FilePayload>(&config_.payload);
      file != nullptr && size != file->size) {
    fail(Outcome::Kind::payload_failed, cat(printable(file->name), " changed while it was read: ",
                                            size, " of ", file->size, " payload bytes"));
    return;
  }
  if (upstream_) {
    verified_stages_ = all_stages();
    if (upstream_->tap() != nullptr) {
      upstream_->tap()->drain();
      outcome_.decoder_words = upstream_->tap()->last_words();
      outcome_.decoder_stderr = upstream_->tap()->tail();
    }
    upstream_.reset();
  }
  sys::UniqueFd spool = spooled_->take();
  spooled_.reset();
  source_.reset();
  config_.seal.reset();  // it was good, and these bytes are in nobody's hands but ours
  phase_ = Phase::running;
  try {
    // For a command that gets the file itself: at its start, and not to be written to.
    if (options_.stdin_kind == StdinKind::file) spool = sys::reopen(spool.get(), O_RDONLY);
    config_.payload =
        FilePayload{.fd = std::move(spool), .size = size, .name = "the verified payload"};
    start_command();
  } catch (const Error& error) {
    fail_by(error);
  }
}

}  // namespace penstock::pipeline
