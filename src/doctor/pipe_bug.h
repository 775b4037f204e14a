// Which kernels lose a wakeup when a pipe is resized (R01), by their version.
#pragma once

#include <string_view>

namespace penstock::doctor {

// 5.8 to 6.7, less the stable releases with the fix. Distributions mend without renumbering, so
// "yes" is only likely. False for what is no version.
bool kernel_has_lost_wakeup(std::string_view release);

}  // namespace penstock::doctor
