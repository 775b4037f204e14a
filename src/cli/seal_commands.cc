#include <fcntl.h>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/exit_code.h"
#include "cli/handlers.h"
#include "cli/output.h"
#include "cli/settings.h"
#include "sys/files.h"
#include "work/sealing.h"
#include "work/verify.h"

namespace penstock::cli {

namespace {

// "q/jobs/fspl-1.fspl: job 7: cut: 1000 of 2000 bytes"
std::string line_of(const VerifiedFile& file) {
  std::string line = cat(printable(file.file), ": ");
  if (file.number) line += cat("job ", *file.number, ": ");
  line += file.state;
  if (!file.reason.empty()) {
    line += cat(": ", file.reason);
  } else if (file.seal) {
    line += cat(": ", file.seal->length, " bytes");
  }
  if (!file.signature_words.empty()) line += cat("; ", file.signature_words);
  return line + "\n";
}

// What is said of a signature; nothing where nobody asked and there is none.
std::string signature_words(const work::Verified& verified, const work::Decoding& how) {
  if (!verified.metadata) return "";
  if (verified.objection) return cat("not to be trusted: it ", *verified.objection);
  const auto& signature = verified.metadata->signature;
  if (!signature) return how.trust ? "not signed" : "";
  const std::string id = packet::to_hex(signature->key);
  if (!how.trust) return cat("signed with key ", id, ", which was not checked (see --trust)");
  return cat("signed by ", printable(base_name(how.trust->signer_of(*signature))), ", key ", id,
             ": ", printable(signature->comment));
}

void write_new_file(const std::string& path, const std::string& content) {
  sys::write_all(sys::open_file(path, O_WRONLY | O_CREAT | O_EXCL).get(), content, printable(path));
}

// As minisign wants them: the bytes that are signed, and the signature beside them.
void extract(const std::string& directory, const std::string& file,
             const work::Verified& verified) {
  if (!verified.metadata) throw Error(cat(printable(file), " has no header to extract"));
  const std::string path = cat(directory, "/", base_name(file), ".header");
  write_new_file(path, verified.header);
  if (const auto& signature = verified.metadata->signature)
    write_new_file(path + ".minisig", packet::signature_file(*signature));
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
    if (verified.state != work::SealState::whole || verified.objection) status = kFailure;
    const std::string state = work::seal_state_name(verified.state);
    VerifiedFile entry{
        .file = file, .state = state, .reason = without_repetition(verified.reason, state)};
    if (verified.metadata) {
      entry.number = verified.metadata->sequence;
      entry.seal = verified.metadata->seal;
      entry.signature = verified.metadata->signature;
      entry.is_trusted = how.trust && entry.signature && !verified.objection;
    }
    entry.signature_words = signature_words(verified, how);
    if (arguments.has("extract")) {
      try {
        extract(arguments.text("extract"), file, verified);
      } catch (const Error& error) {
        Log::error(error.message());
        status = kFailure;
      }
    }
    if (!arguments.has("json")) print(line_of(entry));
    files.push_back(std::move(entry));
  }
  if (arguments.has("json")) print(json_of(files));
  return status;
}

}  // namespace penstock::cli
