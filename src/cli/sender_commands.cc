#include <cstdlib>

#include "base/text.h"
#include "cli/exit_code.h"
#include "cli/handlers.h"
#include "cli/output.h"
#include "work/prepare.h"

namespace penstock::cli {

namespace {

// Where large files are expected, unlike in /tmp.
std::string spool_dir(const Arguments& arguments) {
  if (arguments.has("spool-dir")) return arguments.text("spool-dir");
  const char* chosen = std::getenv("TMPDIR");
  return chosen != nullptr && *chosen != '\0' ? chosen : "/var/tmp";
}

work::PrepareSettings settings_of(const Arguments& arguments) {
  work::PrepareSettings settings;
  if (arguments.has("seqfile")) settings.seqfile = arguments.text("seqfile");
  if (arguments.knows("input") && arguments.has("input")) settings.input = arguments.text("input");
  if (arguments.knows("fill")) settings.fill = arguments.number("fill");
  settings.params = arguments.params();
  settings.seal = arguments.knows("seal") && arguments.has("seal");
  if (arguments.knows("sign") && arguments.has("sign")) {
    settings.seal = true;
    settings.sign_key = arguments.text("sign");
    if (arguments.has("for")) settings.sign_for = arguments.text("for");
  }
  if (arguments.knows("spool-dir")) settings.spool_dir = spool_dir(arguments);
  settings.lock_wait = *arguments.seconds("lock-wait");
  return settings;
}

}  // namespace

int handle_prepare(const Arguments& arguments, CommandId id) {
  work::PrepareSettings settings = settings_of(arguments);
  if (id == CommandId::prepare_nop) settings.kind = packet::Kind::nop;
  if (id == CommandId::prepare_fail) settings.kind = packet::Kind::fail;
  work::prepare(settings);
  return kSuccess;
}

int handle_prepare_number(const Arguments& arguments, CommandId id) {
  const std::string seqfile = arguments.text("seqfile");
  const std::chrono::seconds wait = *arguments.seconds("lock-wait");
  if (id == CommandId::prepare_set_next) {
    if (seqfile == "-")
      throw UsageError("prepare-set-next", "--seqfile - has no number that could be set");
    work::set_next_number(seqfile, arguments.positional_number(), wait);
  } else {
    print(cat(seqfile == "-" ? 1 : work::next_number(seqfile, wait), "\n"));
  }
  return kSuccess;
}

int handle_enqueue(const Arguments& arguments) {
  work::enqueue(settings_of(arguments), arguments.text("queuedir"));
  return kSuccess;
}

}  // namespace penstock::cli
