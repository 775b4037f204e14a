// libsodium, loaded when a digest or a signature is first asked for
// (docs/decisions/0006-seals.md): a run with neither pays nothing. Only sys/ includes this.
#pragma once

#include <string>
#include <string_view>

namespace penstock::sys {

// Never unloaded, and tried again each time as long as it cannot be had. `what` needs it: "seals".
// Throws Error, which names the library.
void* sodium_library(std::string_view what);

// A function of it. Throws Error if it has none of that name.
void* sodium_function(void* library, const char* name);

template <typename Function>
void find(void* library, const char* name, Function*& function) {
  function = reinterpret_cast<Function*>(sodium_function(library, name));
}

}  // namespace penstock::sys
