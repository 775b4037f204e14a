#include "procfs/reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "procfs/fields.h"

namespace penstock::procfs {

namespace {

constexpr size_t kBufferSize = 64 << 10;
constexpr size_t kEntriesSize = 32 << 10;

// NONBLOCK and NOCTTY in case a recorded tree holds something else than plain files.
sys::UniqueFd look_at(int directory, const char* name, int flags) {
  return sys::UniqueFd(::openat(directory, name, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
}

ssize_t read_some(int fd, char* into, size_t size) {
  for (;;) {
    const ssize_t count = ::read(fd, into, size);
    if (count >= 0 || errno != EINTR) return count;
  }
}

}  // namespace

Path& Path::add(std::string_view text) {
  if (size_ + text.size() >= text_.size()) {
    text_.fill('\0');  // an empty path is ENOENT
    size_ = text_.size();
    return *this;
  }
  std::memcpy(text_.data() + size_, text.data(), text.size());
  size_ += text.size();
  return *this;
}

Reader::Reader() : buffer_(kBufferSize), entries_(kEntriesSize) {}

std::optional<std::string_view> Reader::read(int directory, const char* name) {
  const sys::UniqueFd fd = look_at(directory, name, O_RDONLY);
  if (!fd) return std::nullopt;
  const ssize_t count = read_some(fd.get(), buffer_.data(), kBufferSize);
  if (count < 0) return std::nullopt;
  return std::string_view(buffer_.data(), static_cast<size_t>(count));
}

std::optional<std::string_view> Reader::read_whole(int directory, const char* name, size_t limit) {
  const sys::UniqueFd fd = look_at(directory, name, O_RDONLY);
  if (!fd) return std::nullopt;
  size_t done = 0;
  while (done < limit) {
    if (done == buffer_.size()) buffer_.resize(std::min(limit, buffer_.size() * 2));
    const ssize_t count = read_some(fd.get(), buffer_.data() + done, buffer_.size() - done);
    if (count < 0) return std::nullopt;
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  return std::string_view(buffer_.data(), std::min(done, limit));
}

std::optional<std::string_view> Reader::link(int directory, const char* name) {
  const ssize_t count = ::readlinkat(directory, name, buffer_.data(), kBufferSize);
  if (count < 0) return std::nullopt;
  return std::string_view(buffer_.data(), static_cast<size_t>(count));
}

sys::UniqueFd Reader::place(int directory, const char* name) {
  return look_at(directory, name, O_PATH | O_DIRECTORY);
}

sys::UniqueFd Reader::list_numbers(int directory, const char* name, std::vector<int>& numbers) {
  numbers.clear();
  sys::UniqueFd fd = look_at(directory, name, O_RDONLY | O_DIRECTORY);
  if (!fd) return fd;
  for (;;) {
    const long count = ::syscall(SYS_getdents64, fd.get(), entries_.data(), entries_.size());
    if (count < 0) return {};
    if (count == 0) return fd;
    for (size_t at = 0; at < static_cast<size_t>(count);) {
      // linux_dirent64: inode, offset (8 bytes each), length of the record (2), type (1), name.
      const char* record = entries_.data() + at;
      uint16_t length = 0;
      std::memcpy(&length, record + 16, sizeof(length));
      if (const auto number = to_number<int>(std::string_view(record + 19))) {
        numbers.push_back(*number);
      }
      at += length;
    }
  }
}

}  // namespace penstock::procfs
