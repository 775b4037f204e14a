#include "pipeline/gate.h"

#include "base/error.h"
#include "base/text.h"
#include "sys/files.h"

namespace penstock::pipeline {

std::string GateText::encode(ino_t gate_pipe) const {
  std::string text =
      cat("penstock-gate 1\npipe=", gate_pipe, "\nstate=", state, "\nqueue=", printable(queue),
          "\njob=", printable(job), "\nupstream=", upstream, "\n");
  for (const Stage& stage : stages) {
    text += cat("stage=", stage.pid, " ", stage.start_time, " ", printable(stage.name), "\n");
  }
  return text;
}

Gate::Gate(Engine& engine, sys::UniqueFd write_end, size_t size)
    : engine_(engine),
      write_(std::move(write_end)),
      inode_(sys::inode_of(write_.get())),
      size_(size) {
  text_ = sys::make_memfd(cat("penstock-gate:", inode_));
}

Gate::~Gate() {
  engine_.budget.give_back(size_);
}

void Gate::describe(const GateText& text) {
  if (!text_) return;
  const std::string encoded = text.encode(inode_);
  // Longer or shorter than before: a reader in between sees the old text's end behind the new one
  // at worst, and reads twice. It is information, and decides nothing.
  sys::pwrite_all(text_.get(), encoded, 0, "the gate's description");
  sys::truncate(text_.get(), static_cast<off_t>(encoded.size()), "the gate's description");
}

void Gate::close() {
  write_.reset();
  text_.reset();
}

}  // namespace penstock::pipeline
