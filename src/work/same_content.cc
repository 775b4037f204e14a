#include "work/same_content.h"

#include <algorithm>
#include <vector>

#include "sys/files.h"

namespace penstock::work {

bool same_content(const spool::JobDirectory& jobs, const spool::ScannedJob& a,
                  const spool::ScannedJob& b) {
  if (a.id.size != b.id.size) return false;
  auto first = jobs.open(a.name);
  auto second = jobs.open(b.name);
  auto* one = std::get_if<spool::JobFile>(&first);
  auto* other = std::get_if<spool::JobFile>(&second);
  if (one == nullptr || other == nullptr) return false;
  std::vector<uint8_t> left(64UL << 10U);
  std::vector<uint8_t> right(left.size());
  for (;;) {
    const size_t count = sys::read_full(one->fd.get(), left, a.name);
    if (count != sys::read_full(other->fd.get(), right, b.name)) return false;
    if (count == 0) return true;
    if (!std::equal(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(count), right.begin()))
      return false;
  }
}

}  // namespace penstock::work
