#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/exit_code.h"
#include "cli/handlers.h"
#include "cli/output.h"
#include "cli/settings.h"
#include "work/sealing.h"
#include "work/verify.h"

namespace penstock::cli {

namespace {

// "q/jobs/fspl-1.fspl: job 7: cut: 1000 of 2000 bytes"
std::string line_of(const VerifiedFile& file) {
  std::string line = cat(printable(file.file), ": ");
  if (file.number) line += cat("job ", *file.number, ": ");
  if (!file.reason.empty()) return line + cat(file.state, ": ", file.reason, "\n");
  if (!file.seal) return line + cat(file.state, "\n");
  return line + cat(file.state, ": ", file.seal->length, " bytes\n");
}

// The state says it already: "the payload is cut: 1000 of 2000 bytes".
std::string without_repetition(const std::string& reason, const std::string& state) {
  const std::string beginning = cat("the payload is ", state, ": ");
  return reason.starts_with(beginning) ? reason.substr(beginning.size()) : reason;
}

}  // namespace

int handle_seal(const Arguments& arguments) {
  int status = kSuccess;
  for (const std::string& file : arguments.params()) {
    try {
      if (work::seal_file(file) == work::Sealing::had_been)
        Log::info(cat(printable(file), " is sealed already, and whole"));
    } catch (const Error& error) {
      Log::error(error.message());
      status = kFailure;
    }
  }
  return status;
}

int handle_verify(const Arguments& arguments) {
  const work::Decoding how = decoding(arguments);
  const pipeline::Options options = pipeline_options(arguments);
  std::vector<VerifiedFile> files;
  int status = kSuccess;
  for (const std::string& file : arguments.params()) {
    const work::Verified verified = work::verify_file(file, how, options);
    if (verified.state != work::SealState::whole) status = kFailure;
    const std::string state = work::seal_state_name(verified.state);
    VerifiedFile entry{
        .file = file, .state = state, .reason = without_repetition(verified.reason, state)};
    if (verified.metadata) {
      entry.number = verified.metadata->sequence;
      entry.seal = verified.metadata->seal;
    }
    if (!arguments.has("json")) print(line_of(entry));
    files.push_back(std::move(entry));
  }
  if (arguments.has("json")) print(json_of(files));
  return status;
}

}  // namespace penstock::cli
