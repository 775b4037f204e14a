#include "sys/entropy.h"

#include <sys/random.h>

#include <cerrno>

#include "base/error.h"

namespace penstock::sys {

void fill_random(std::span<uint8_t> into) {
  while (!into.empty()) {
    const ssize_t count = ::getrandom(into.data(), into.size(), 0);
    if (count < 0) {
      if (errno == EINTR) continue;
      throw Error::from_errno("getrandom");
    }
    into = into.subspan(static_cast<size_t>(count));
  }
}

}  // namespace penstock::sys
