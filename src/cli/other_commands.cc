#include "base/text.h"
#include "cli/exit_code.h"
#include "cli/handlers.h"
#include "cli/output.h"
#include "spool/uuid.h"

namespace penstock::cli {

int handle_generate(CommandId id) {
  const std::string uuid = spool::uuid_v4();
  print(id == CommandId::gen_uuid ? cat(uuid, "\n") : cat("fspl-", uuid, ".fspl\n"));
  return kSuccess;
}

int handle_show_license() {
  print(
      "Penstock is free software under the Apache License, Version 2.0: you may use,\n"
      "change and pass it on under its terms, and there is no warranty of any kind.\n"
      "The whole text is in the file LICENSE that comes with the program, on Debian in\n"
      "/usr/share/common-licenses/Apache-2.0, and at\n"
      "https://www.apache.org/licenses/LICENSE-2.0\n");
  return kSuccess;
}

}  // namespace penstock::cli
