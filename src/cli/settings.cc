#include "cli/settings.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "pipeline/decoder_string.h"
#include "pipeline/stage_sandbox.h"
#include "sys/files.h"
#include "sys/sandbox.h"
#include "work/run_failure.h"

namespace penstock::cli {

using namespace std::chrono_literals;

namespace {

// Words as a person writes them for --kill-with: blanks between, no quotes.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  while (!(text = trim(text)).empty()) {
    const size_t end = text.find_first_of(" \t\n");
    words.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end);
  }
  return words;
}

std::vector<std::string> parts_of(std::string_view list, char separator) {
  std::vector<std::string> parts;
  for (;;) {
    const size_t end = list.find(separator);
    if (end != 0 && !list.empty()) parts.emplace_back(list.substr(0, end));
    if (end == std::string_view::npos) return parts;
    list.remove_prefix(end + 1);
  }
}

void check_spool_dir(const std::string& directory) {
  if (!sys::try_open(directory, O_TMPFILE | O_RDWR, 0600))
    throw Error::from_errno(cat("--spool-dir ", printable(directory)));
}

std::vector<std::string> inherited_environment() {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable)
    variables.emplace_back(*variable);
  return variables;
}

}  // namespace

pipeline::Options pipeline_options(const Arguments& arguments) {
  using pipeline::GateStrength;
  using pipeline::StdinKind;
  pipeline::Options options;
  auto given = [&](const char* name) { return arguments.knows(name) && arguments.has(name); };
  if (arguments.knows("gate")) {
    options.gate = arguments.pick<GateStrength>(
        "gate",
        {{"hold", GateStrength::hold}, {"eof", GateStrength::eof}, {"off", GateStrength::off}});
  }
  if (arguments.knows("verify")) {
    options.verify_before =
        arguments.pick<bool>("verify", {{"before", true}, {"during", false}}).value_or(false);
  }
  if (given("spool-dir")) {
    options.spool_dir = arguments.text("spool-dir");
    check_spool_dir(options.spool_dir);
  }
  if (arguments.knows("stdin")) {
    options.stdin_kind =
        arguments.pick<StdinKind>("stdin", {{"pipe", StdinKind::pipe}, {"file", StdinKind::file}})
            .value_or(StdinKind::pipe);
  }
  if (arguments.knows("decoder-ok")) options.decoder_ok = arguments.statuses("decoder-ok");
  options.close_fds =
      given("close-fds") || (arguments.knows("keep-fds") && !arguments.has("keep-fds"));
  options.cgroup = given("cgroup");
  if (given("pipe-size")) options.pipe_size = arguments.size("pipe-size");
  if (arguments.knows("kill-grace"))
    options.kill_grace = arguments.seconds("kill-grace").value_or(0s);
  if (given("kill-with")) options.kill_with = words_of(arguments.text("kill-with"));
  options.capture_stderr = given("capture-stderr");
  if (arguments.knows("early-end")) {
    options.close_on_early_end =
        arguments.pick<bool>("early-end", {{"judge", false}, {"close", true}}).value_or(false);
  }
  if (arguments.knows("stall-after"))
    options.stall.after = arguments.seconds("stall-after").value_or(30s);
  if (arguments.knows("on-stall")) {
    using pipeline::OnStall;
    options.stall.on_stall = arguments
                                 .pick<OnStall>("on-stall", {{"report", OnStall::report},
                                                             {"heal", OnStall::heal},
                                                             {"retry", OnStall::retry},
                                                             {"kill", OnStall::kill}})
                                 .value_or(OnStall::heal);
  }
  if (arguments.knows("kill-after"))
    options.stall.kill_after = arguments.seconds("kill-after").value_or(600s);
  if (given("max-payload")) options.max_payload = arguments.size("max-payload");
  if (arguments.knows("timeout")) options.timeout = arguments.seconds("timeout");
  return options;
}

std::optional<work::Trust> trust(const Arguments& arguments) {
  if (!arguments.knows("trust") || !arguments.has("trust")) return std::nullopt;
  work::Trust::Settings settings{.files = arguments.texts("trust"),
                                 .is_required = arguments.has("require-signature")};
  if (arguments.has("queue-name")) settings.queue_name = arguments.text("queue-name");
  return work::Trust(std::move(settings));
}

work::Decoding decoding(const Arguments& arguments) {
  work::Decoding result;
  if (arguments.knows("header-timeout")) {
    const std::chrono::seconds limit = *arguments.seconds("header-timeout");
    result.header_timeout =
        limit == 0s ? std::nullopt : std::optional<std::chrono::milliseconds>(limit);
  }
  result.trust = trust(arguments);
  if (!arguments.has("decoder")) return result;
  if (arguments.knows("scan-jobs"))
    result.readings_at_once = arguments.number("scan-jobs").value_or(0);
  result.is_builtin =
      arguments.knows("no-builtin-decoders") && !arguments.has("no-builtin-decoders");
  if (arguments.knows("no-index")) {
    using Index = work::Decoding::Index;
    result.index = arguments.has("no-index")            ? Index::none
                   : arguments.has("retry-undecodable") ? Index::headers
                                                        : Index::failures;
  }
  const std::vector<std::string> environment = inherited_environment();
  const auto shell_environment = pipeline::ShellEnvironment::from(environment);
  result.plan = pipeline::plan_decoder(*arguments.value("decoder"), shell_environment);
  Log::debug(cat(result.plan->seen_through ? "the decoder is seen through: "
                                           : "the decoder is not seen through: ",
                 result.plan->description));
  const std::string shell_path = shell_environment.shell.value_or("");
  result.description = cat(*arguments.value("decoder"), "\n", result.plan->description, "\n",
                           shell_path, "\n", result.trust ? result.trust->description() : "");
  const std::string_view shell = base_name(shell_path);
  if (shell == "nologin" || shell == "false") {
    // It would end without having run anything, and every job would look like one that cannot be
    // decoded (D30).
    throw Error(
        cat("SHELL is ", printable(shell_path), ", which runs no decoder: set SHELL=/bin/sh"));
  }
  confine(arguments, result.plan->stages);
  if (result.plan->hides_a_pipe) {
    if (arguments.has("strict-decoder")) {
      throw Error(
          cat("the decoder hides a pipe in a shell, and a failure inside it would go unseen (",
              result.plan->description, "); refused by --strict-decoder"));
    }
    Log::warn(cat("the decoder hides a pipe in a shell, and a failure inside it goes unseen: ",
                  result.plan->description));
  }
  return result;
}

void confine(const Arguments& arguments, std::span<pipeline::StageSpec> stages) {
  if (!arguments.knows("sandbox") || !arguments.has("sandbox")) return;
  if (const auto gap = sys::sandbox_gap()) {
    if (!equal_ignoring_case(*arguments.value("sandbox"), "try")) {
      throw work::RunFailure(work::FailureKind::unavailable,
                             cat("this machine has no sandbox for --sandbox: ", *gap,
                                 "; --sandbox=try goes on without"));
    }
    Log::warn(cat("--sandbox=try: not all of the sandbox is there: ", *gap));
  }
  std::vector<std::string> may_write;
  if (arguments.has("sandbox-write")) {
    may_write = parts_of(arguments.text("sandbox-write"), ':');
    for (const std::string& directory : may_write) {
      if (!sys::try_open(directory, O_PATH | O_DIRECTORY))
        throw Error::from_errno(cat("--sandbox-write ", printable(directory)));
    }
  }
  for (pipeline::StageSpec& stage : stages) pipeline::confine(stage, may_write);
}

work::CommandLine command_line(const Arguments& arguments) {
  work::CommandLine line;
  line.argv.emplace_back(arguments.positional().value_or(""));
  line.argv.insert(line.argv.end(), arguments.params().begin(), arguments.params().end());
  line.allow_job_params = arguments.has("allow-job-params");
  if (const std::string pattern(arguments.value("allow-job-params").value_or(""));
      !pattern.empty()) {
    line.allowed_params.emplace(pattern);
  }
  line.params_separator = arguments.has("params-after-dashes") || arguments.has("params-separator");
  return line;
}

}  // namespace penstock::cli
