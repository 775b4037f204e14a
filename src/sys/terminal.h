// The terminal, as far as output needs to know it.
#pragma once

#include <cstddef>
#include <optional>

namespace penstock::sys {

// How many columns the terminal behind `fd` has; nothing if it is none.
std::optional<size_t> terminal_columns(int fd);

}  // namespace penstock::sys
