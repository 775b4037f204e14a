#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/exit_code.h"
#include "cli/handlers.h"
#include "cli/output.h"
#include "work/queue_check.h"

namespace penstock::cli {

namespace {

constexpr int kCannotLook = 2;  // as the doctor's

}  // namespace

int handle_queue_check(const Arguments& arguments) {
  std::vector<work::QueueWarning> warnings;
  try {
    warnings = work::check_queue(arguments.text("queuedir"));
  } catch (const Error& error) {
    Log::error(error.message());
    return kCannotLook;
  }
  std::string text;
  for (const work::QueueWarning& warning : warnings) {
    text += cat(printable(warning.path), " ", warning.reason, "\n");
  }
  print(arguments.has("json") ? json_of(warnings) : text);
  return warnings.empty() ? kSuccess : kFailure;
}

}  // namespace penstock::cli
