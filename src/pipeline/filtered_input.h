// A decoder's last stage in our own process: what is read from the stage before it, or from the
// job file, comes out decoded, without another process and another pipe.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace penstock::pipeline {

// The input is damaged, cut or of another format.
class BadStream : public Error {
 public:
  explicit BadStream(std::string message) : Error(std::move(message)) {}
};

// Bytes in, bytes out; knows no descriptor.
class StreamFilter {
 public:
  StreamFilter() = default;
  StreamFilter(const StreamFilter&) = delete;
  StreamFilter& operator=(const StreamFilter&) = delete;
  virtual ~StreamFilter() = default;

  // As much as the tool in whose place it is reads before it decodes any of it, in bytes.
  virtual size_t unit() const = 0;
  // Goes on with `input`, which is not asked for again where it was taken. If room is left in
  // `output`, all of it was. Throws BadStream.
  struct Step {
    size_t taken = 0;
    size_t given = 0;
  };
  virtual Step step(std::span<const uint8_t> input, std::span<uint8_t> output) = 0;
  // All of the input was taken, and there is no more. Throws BadStream if there should be.
  virtual void end() = 0;
};

class FilteredInput {
 public:
  // `name`: of the tool, for errors. Nothing is allocated before the first byte is there.
  FilteredInput(std::unique_ptr<StreamFilter> filter, std::string name);

  // Whether read() can give more, or tell the end, without its source.
  bool has_more() const { return has_again() || (is_ready_ && !is_at_end_); }
  // Whether everything was given.
  bool is_at_end() const { return is_at_end_ && !has_again(); }
  // Bytes that the source has given.
  uint64_t bytes_read() const { return bytes_read_; }

  // The next bytes, from one read of `fd` at most; 0: none yet, or the end. Throws BadStream, or
  // Error with `source` if that cannot be read.
  size_t read(int fd, std::span<uint8_t> into, std::string_view source);
  // What the last read() gave was not wanted, `from` there on: it is given again.
  void put_back(std::vector<uint8_t> bytes, size_t from);

 private:
  bool has_again() const { return again_given_ < again_.size(); }

  std::unique_ptr<StreamFilter> filter_;
  std::string name_;
  std::vector<uint8_t> input_;
  size_t filled_ = 0;
  size_t taken_ = 0;
  uint64_t bytes_read_ = 0;
  std::vector<uint8_t> again_;
  size_t again_given_ = 0;
  bool is_ready_ = false;  // a unit is there, or all that is left of one
  bool source_ended_ = false;
  bool is_at_end_ = false;
};

}  // namespace penstock::pipeline
