#include "sys/sodium.h"

#include <dlfcn.h>

#include "base/error.h"
#include "base/text.h"

namespace penstock::sys {

namespace {

void* load(std::string_view what) {
  void* library = nullptr;
  // The second number is that of later versions; the functions that we use are the same in both.
  for (const char* name : {"libsodium.so.23", "libsodium.so.26"}) {
    if (library == nullptr) library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  }
  if (library == nullptr)
    throw Error(cat(what, " need libsodium (libsodium.so.23), which is not there"));
  int (*init)() = nullptr;
  find(library, "sodium_init", init);
  // It looks which instructions the processor has.
  if (init() < 0) throw Error("libsodium cannot be used on this machine");
  return library;
}

}  // namespace

void* sodium_library(std::string_view what) {
  static void* const library = load(what);
  return library;
}

void* sodium_function(void* library, const char* name) {
  void* function = dlsym(library, name);
  if (function == nullptr) throw Error(cat("libsodium has no ", name));
  return function;
}

}  // namespace penstock::sys
