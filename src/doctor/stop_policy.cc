#include "doctor/stop_policy.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/text.h"

namespace penstock::doctor {

namespace {

constexpr std::array<std::string_view, 2> kFragile = {"zfs", "btrfs"};

bool is_fragile(std::string_view name) {
  return std::ranges::find(kFragile, name) != kFragile.end();
}

}  // namespace

bool forbids_stop(const procfs::Process& process) {
  if (is_fragile(process.stat.comm)) return true;
  return process.arguments && !process.arguments->empty() &&
         is_fragile(base_name(process.arguments->front()));
}

}  // namespace penstock::doctor
