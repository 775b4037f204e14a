#include <optional>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/exit_code.h"
#include "cli/handlers.h"
#include "work/sealing.h"
#include "work/signing.h"

namespace penstock::cli {

namespace {

work::Sign sign_of(const Arguments& arguments) {
  if (arguments.has("from")) {
    if (arguments.params().size() > 1)
      throw UsageError("sign", "--from has one signature, and there are several files");
    const packet::Signature signature = work::read_signature(arguments.text("from"));
    return [signature](const std::string&) -> packet::Signature {
      return packet::Signature(signature);
    };
  }
  const work::Signer signer(arguments.text("key"),
                            arguments.has("for") ? arguments.text("for") : "");
  return [signer](const std::string& header) { return signer.sign(header); };
}

}  // namespace

int handle_keygen(const Arguments& arguments) {
  work::make_keys(std::string(*arguments.positional()));
  return kSuccess;
}

int handle_sign(const Arguments& arguments) {
  const work::Sign sign = sign_of(arguments);
  const work::Unsealed unsealed =
      arguments.has("from") ? work::Unsealed::refused : work::Unsealed::is_sealed;
  int status = kSuccess;
  for (const std::string& file : arguments.params()) {
    try {
      work::sign_file(file, sign, unsealed);
    } catch (const Error& error) {
      Log::error(error.message());
      status = kFailure;
    }
  }
  return status;
}

}  // namespace penstock::cli
