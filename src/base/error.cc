#include "base/error.h"

namespace penstock {

Error Error::from_errno(std::string_view what, int errnum) {
  std::error_code code(errnum, std::generic_category());
  std::string message(what);
  message += ": ";
  message += code.message();
  return Error(std::move(message), code);
}

Error Error::with(std::string_view context) const {
  std::string message(context);
  message += ": ";
  message += message_;
  return Error(std::move(message), code_);
}

}  // namespace penstock
