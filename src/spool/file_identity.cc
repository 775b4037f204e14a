#include "spool/file_identity.h"

namespace penstock::spool {

FileIdentity FileIdentity::of(const struct stat& status) {
  return {.device = status.st_dev,
          .inode = status.st_ino,
          .size = static_cast<uint64_t>(status.st_size),
          .modified = {.seconds = status.st_mtim.tv_sec,
                       .nanoseconds = static_cast<uint32_t>(status.st_mtim.tv_nsec)}};
}

}  // namespace penstock::spool
