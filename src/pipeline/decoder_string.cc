#include "pipeline/decoder_string.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "pipeline/hidden_pipe.h"
#include "pipeline/shell_names.h"
#include "pipeline/shell_words.h"

namespace penstock::pipeline {

namespace {

constexpr int kMaxDepth = 8;  // of bash -c "sh -c '…'"; people write two

// Why a shell of that base name may read strings in its own way here; empty if it will not.
std::string shell_refusal(std::string_view shell, const ShellEnvironment& environment) {
  if (!speaks_common_syntax(shell)) return cat(shell, " is not sh, dash, bash or ksh");
  if (environment.bash_env) return "BASH_ENV is set";
  if (environment.shell_options) return "SHELLOPTS or BASHOPTS is set";
  if (environment.ksh_env && shell == "ksh") return "ENV or FPATH is set";
  return {};
}

// Why a stage may be something else than the program of that name; empty if it is not.
std::string command_refusal(std::string_view command, const ShellEnvironment& environment) {
  const auto& functions = environment.exported_functions;
  if (command.empty()) return "an empty word stands for a command";
  if (is_shell_word(command)) return cat(command, " is a word of the shell");
  if (command.find('=') != std::string_view::npos) return cat(command, " is an assignment");
  if (command.front() == '%') return cat(command, " names a job of the shell");
  if (std::ranges::find(functions, command) != functions.end()) {
    return cat(command, " is an exported function");
  }
  // It would be called for a program that is not found.
  if (std::ranges::find(functions, "command_not_found_handle") != functions.end()) {
    return "command_not_found_handle is an exported function";
  }
  return {};
}

ShellPipeline read_programs(std::string_view text, const ShellEnvironment& environment) {
  ShellPipeline pipeline = read_pipeline(text);
  for (const StageSpec& stage : pipeline.stages) {
    std::string refusal = command_refusal(stage.argv.front(), environment);
    if (!refusal.empty()) return {.refusal = std::move(refusal)};
  }
  return pipeline;
}

// The string that a pipeline hands whole to another shell: `bash -c 'STRING'`, three words and
// nothing else.
std::optional<std::string> handed_on(const std::vector<StageSpec>& stages,
                                     const ShellEnvironment& environment) {
  if (stages.size() != 1 || stages.front().argv.size() != 3) return std::nullopt;
  const StageSpec& stage = stages.front();
  const std::string& text = stage.argv[2];
  const bool is_option = text.starts_with('-') || text.starts_with('+');
  if (stage.argv[1] != "-c" || !stage.redirects.empty() || is_option) return std::nullopt;
  if (!shell_refusal(base_name(stage.argv[0]), environment).empty()) return std::nullopt;
  return text;
}

// The stages behind all the shells that only hand their string on.
ShellPipeline see_through(std::string_view text, const ShellEnvironment& environment) {
  ShellPipeline seen = read_programs(text, environment);
  for (int depth = 0; seen.was_read(); ++depth) {
    const std::optional<std::string> inner = handed_on(seen.stages, environment);
    if (!inner) break;
    if (depth == kMaxDepth) return {.refusal = "too many shells call one another"};
    ShellPipeline deeper = read_programs(*inner, environment);
    if (!deeper.was_read()) break;  // that shell is needed: it stays as a stage
    seen = std::move(deeper);
  }
  return seen;
}

DecoderPlan native_plan(std::vector<StageSpec> stages) {
  DecoderPlan plan{.stages = std::move(stages), .seen_through = true};
  for (StageSpec& stage : plan.stages) {
    stage.opaque = calls_shell(stage.argv);
    if (hides_pipe(stage.argv)) plan.hides_a_pipe = true;
  }
  const size_t count = plan.stages.size();
  plan.description =
      printable(cat(describe(plan.stages), ", run as ", count, count == 1 ? " stage" : " stages"));
  if (plan.hides_a_pipe) plan.description += ", with a pipe hidden inside a shell";
  return plan;
}

DecoderPlan opaque_plan(std::string_view text, const std::string& shell, std::string_view reason) {
  const std::string_view name = base_name(shell);
  DecoderPlan plan;
  plan.pipefail = has_pipefail(name) && has_pipe(text, name);
  plan.hides_a_pipe = hides_pipe(text, name, plan.pipefail ? Pipefail::on : Pipefail::off);
  StageSpec stage{.argv = {shell}, .opaque = true};
  if (plan.pipefail) stage.argv.insert(stage.argv.end(), {"-o", "pipefail"});
  stage.argv.emplace_back("-c");
  plan.description =
      printable(cat("opaque: given to ", shell_join(stage.argv), ", because ", reason));
  stage.argv.emplace_back(text);
  plan.stages.push_back(std::move(stage));
  return plan;
}

void add_redirect(std::string& out, const Redirect& redirect) {
  using enum Redirect::Mode;
  out += ' ';
  if (redirect.fd != (redirect.mode == read ? 0 : 1)) out += cat(redirect.fd);
  switch (redirect.mode) {
    case read:
      out += cat('<', shell_quote(redirect.path));
      break;
    case write:
      out += cat('>', shell_quote(redirect.path));
      break;
    case append:
      out += cat(">>", shell_quote(redirect.path));
      break;
    case duplicate:
      out += cat(">&", redirect.from_fd);
      break;
  }
}

}  // namespace

ShellEnvironment ShellEnvironment::from(std::span<const std::string> variables) {
  static constexpr std::string_view kFunction = "BASH_FUNC_";
  ShellEnvironment environment;
  for (std::string_view variable : variables) {
    const size_t equals = variable.find('=');
    if (equals == std::string_view::npos) continue;
    std::string_view name = variable.substr(0, equals);
    if (name == "SHELL" && !environment.shell) environment.shell = variable.substr(equals + 1);
    if (name == "BASH_ENV") environment.bash_env = true;
    if (name == "SHELLOPTS" || name == "BASHOPTS") environment.shell_options = true;
    if (name == "ENV" || name == "FPATH") environment.ksh_env = true;
    // "%%" is bash's since 2014; some distributions wrote "()".
    if (name.starts_with(kFunction) && (name.ends_with("%%") || name.ends_with("()"))) {
      name.remove_prefix(kFunction.size());
      name.remove_suffix(2);
      environment.exported_functions.emplace_back(name);
    }
  }
  return environment;
}

DecoderPlan plan_decoder(std::string_view text, const ShellEnvironment& environment) {
  if (text.find('\0') != std::string_view::npos) {
    throw Error("the decoder string holds a NUL byte");
  }
  const bool has_shell = environment.shell && !environment.shell->empty();
  const std::string shell = has_shell ? *environment.shell : "/bin/sh";
  std::string refusal = shell_refusal(base_name(shell), environment);
  if (refusal.empty()) {
    ShellPipeline seen = see_through(text, environment);
    if (seen.was_read()) return native_plan(std::move(seen.stages));
    refusal = std::move(seen.refusal);
  }
  return opaque_plan(text, shell, refusal);
}

std::string describe(const std::vector<StageSpec>& stages) {
  std::string out;
  for (const StageSpec& stage : stages) {
    if (!out.empty()) out += " | ";
    out += shell_join(stage.argv);
    for (const Redirect& redirect : stage.redirects) add_redirect(out, redirect);
  }
  return out;
}

StageSpec redirected_by_shell(const StageSpec& stage) {
  std::string text = "exec \"$0\" \"$@\"";
  for (const Redirect& redirect : stage.redirects) add_redirect(text, redirect);
  StageSpec by_shell{.argv = {"/bin/sh", "-c", std::move(text)}, .opaque = true};
  by_shell.argv.insert(by_shell.argv.end(), stage.argv.begin(), stage.argv.end());
  by_shell.sandboxed = stage.sandboxed;
  by_shell.may_write = stage.may_write;
  return by_shell;
}

}  // namespace penstock::pipeline
