#include "sys/terminal.h"

#include <sys/ioctl.h>

namespace penstock::sys {

std::optional<size_t> terminal_columns(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return std::nullopt;
  return size.ws_col;
}

}  // namespace penstock::sys
