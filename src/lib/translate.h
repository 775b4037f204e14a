// lib/: the public library of include/penstock over the rooms below. Its functions are the only
// ones that code which is not ours may call, so nothing of ours but api::Error leaves them.
#pragma once

#include <exception>
#include <new>

#include "base/error.h"
#include "penstock/error.h"

namespace penstock::lib {

// What `function` returns; what it throws as api::Error. std::bad_alloc passes.
template <typename Function>
auto translated(Function function) -> decltype(function()) {
  try {
    return function();
  } catch (const api::Error&) {
    throw;
  } catch (const penstock::Error& error) {
    throw api::Error(error.message(), error.code());
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    throw api::Error(error.what());
  }
}

}  // namespace penstock::lib
