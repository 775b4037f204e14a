#include "pipeline/filtered_input.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/text.h"
#include "sys/files.h"

namespace penstock::pipeline {

FilteredInput::FilteredInput(std::unique_ptr<StreamFilter> filter, std::string name)
    : filter_(std::move(filter)), name_(std::move(name)) {}

size_t FilteredInput::read(int fd, std::span<uint8_t> into, std::string_view source) {
  assert(!into.empty());
  if (has_again()) {
    const std::span<const uint8_t> again = std::span(again_).subspan(again_given_);
    const size_t count = std::min(again.size(), into.size());
    std::copy_n(again.begin(), count, into.begin());
    again_given_ += count;
    if (!has_again()) {
      again_ = {};
      again_given_ = 0;
    }
    return count;
  }
  if (is_at_end_) return 0;
  if (!is_ready_) {
    input_.resize(filter_->unit());
    const size_t count = sys::read_some(fd, std::span(input_).subspan(filled_), source);
    filled_ += count;
    source_ended_ = count == 0;
    bytes_read_ += count;
    is_ready_ = source_ended_ || filled_ == input_.size();
    if (!is_ready_) return 0;
  }
  try {
    const auto [taken, given] =
        filter_->step(std::span<const uint8_t>(input_).subspan(taken_, filled_ - taken_), into);
    taken_ += taken;
    if (given < into.size()) {
      assert(taken_ == filled_);
      filled_ = taken_ = 0;
      is_ready_ = source_ended_;
      if (source_ended_) {
        filter_->end();
        is_at_end_ = true;
      }
    }
    return given;
  } catch (const BadStream& bad) {
    throw BadStream(cat(name_, " (decoded in our own process): ", bad.message()));
  }
}

void FilteredInput::put_back(std::vector<uint8_t> bytes, size_t from) {
  bytes.insert(bytes.end(), again_.begin() + static_cast<ptrdiff_t>(again_given_), again_.end());
  again_ = std::move(bytes);
  again_given_ = from;
}

}  // namespace penstock::pipeline
