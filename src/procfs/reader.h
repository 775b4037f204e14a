// Reads small files below /proc with as few system calls as can be: relative to a directory's
// descriptor, one read each, into one buffer that is used again and again.
#pragma once

#include <sys/types.h>

#include <array>
#include <charconv>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sys/unique_fd.h"

namespace penstock::procfs {

// A path of a few parts, without an allocation: Path().add(42).add("/stat").
class Path {
 public:
  Path() = default;
  explicit Path(std::string_view text) { add(text); }
  // What does not fit makes the path one that does not exist.
  Path& add(std::string_view text);
  Path& add(std::integral auto number) {
    std::array<char, 24> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    return add(std::string_view(digits.data(), static_cast<size_t>(end - digits.data())));
  }
  const char* c_str() const { return text_.data(); }

 private:
  std::array<char, 128> text_{};
  size_t size_ = 0;
};

class Reader {
 public:
  Reader();

  // Up to 64 KiB by one read(2), which is the whole of any file that the kernel makes up at once;
  // nothing if it could not be opened or read, and errno tells why. Valid until the next call.
  std::optional<std::string_view> read(int directory, const char* name);
  // The same to the end of the file, or to `limit` bytes: for tables, which come in pieces.
  std::optional<std::string_view> read_whole(int directory, const char* name, size_t limit);
  // Where a symbolic link leads; valid until the next call.
  std::optional<std::string_view> link(int directory, const char* name);

  // A directory as a place to look from. Close-on-exec, and under whatever number is free: it lives
  // for a moment only.
  static sys::UniqueFd place(int directory, const char* name);
  // The entries of a directory whose names are numbers, in its order, and the directory itself;
  // nothing if it cannot be read.
  sys::UniqueFd list_numbers(int directory, const char* name, std::vector<int>& numbers);

 private:
  std::vector<char> buffer_;
  std::vector<char> entries_;
};

}  // namespace penstock::procfs
