// Files of keys and signatures, which come from elsewhere. The first byte says which sort it is.
#include <algorithm>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "base/text.h"
#include "packet/signature.h"

namespace {

using namespace penstock;
using namespace penstock::packet;

void require(bool truth) {
  if (!truth) std::abort();
}

// What is refused is refused in words that can be shown; what is accepted means the same when
// written.
void read(uint8_t sort, const std::string& text) {
  switch (sort % 3) {
    case 0: {
      const Signature signature = parse_signature_file(text);
      require(parse_signature_file(signature_file(signature)) == signature);
      require(signature.comment == printable(signature.comment) ||
              signature.comment.find_first_of("\t\\") != std::string::npos);
      return;
    }
    case 1:
      for (const PublicKey& key : parse_public_keys(text))
        require(parse_public_keys(public_key_file(key)).at(0) == key);
      return;
    default: {
      const SecretKey key = parse_secret_key(text);
      require(parse_secret_key(secret_key_file(key)) == key);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  try {
    read(data[0], std::string(reinterpret_cast<const char*>(data + 1), size - 1));
  } catch (const Error& error) {
    require(error.message().size() < 300 && error.message() == printable(error.message()));
  }
  return 0;
}
