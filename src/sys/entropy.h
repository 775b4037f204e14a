// The kernel's random bytes. (Not random.h: that would hide the system's <sys/random.h>.)
#pragma once

#include <cstdint>
#include <span>

namespace penstock::sys {

void fill_random(std::span<uint8_t> into);

}  // namespace penstock::sys
