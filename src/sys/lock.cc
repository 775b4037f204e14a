#include "sys/lock.h"

#include <sys/file.h>

#include <cerrno>

#include "base/error.h"

namespace penstock::sys {

bool try_lock(int fd) {
  for (;;) {
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return true;
    if (errno == EWOULDBLOCK) return false;
    if (errno != EINTR) throw Error::from_errno("lock");
  }
}

}  // namespace penstock::sys
