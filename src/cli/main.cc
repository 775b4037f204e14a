// The program: reads the command line, calls the command's handler, tells what failed.
#include <unistd.h>

#include <cstring>
#include <exception>
#include <span>
#include <string>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/command_table.h"
#include "cli/completions.h"
#include "cli/exit_code.h"
#include "cli/handlers.h"
#include "cli/help.h"
#include "cli/output.h"
#include "cli/parse.h"
#include "lib/helper_process.h"
#include "lib/request.h"
#include "pipeline/keeper_process.h"
#include "sys/files.h"
#include "sys/process.h"
#include "sys/signals.h"

namespace penstock::cli {
namespace {

int handle(const Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  const CommandId id = invocation.command->id;
  switch (id) {
    case CommandId::prepare:
    case CommandId::prepare_nop:
    case CommandId::prepare_fail:
      return handle_prepare(arguments, id);
    case CommandId::prepare_get_next:
    case CommandId::prepare_set_next:
      return handle_prepare_number(arguments, id);
    case CommandId::enqueue:
      return handle_enqueue(arguments);
    case CommandId::seal:
      return handle_seal(arguments);
    case CommandId::keygen:
      return handle_keygen(arguments);
    case CommandId::sign:
      return handle_sign(arguments);
    case CommandId::verify:
      return handle_verify(arguments);
    case CommandId::queue_init:
      return handle_queue_init(arguments);
    case CommandId::queue_write:
      return handle_queue_write(arguments);
    case CommandId::queue_ls:
      return handle_queue_ls(arguments);
    case CommandId::queue_info:
      return handle_queue_info(arguments);
    case CommandId::queue_payload:
      return handle_queue_payload(arguments);
    case CommandId::queue_process:
      return handle_queue_process(arguments);
    case CommandId::queue_get_next:
    case CommandId::queue_set_next:
      return handle_queue_number(arguments, id);
    case CommandId::queue_sweep:
      return handle_queue_sweep(arguments);
    case CommandId::queue_check:
      return handle_queue_check(arguments);
    case CommandId::quarantine_list:
    case CommandId::quarantine_show:
    case CommandId::quarantine_release:
    case CommandId::quarantine_drop:
      return handle_quarantine(arguments, id);
    case CommandId::stdin_info:
      return handle_stdin_info(arguments);
    case CommandId::stdin_payload:
      return handle_stdin_payload(arguments);
    case CommandId::stdin_process:
      return handle_stdin_process(arguments);
    case CommandId::run:
      return handle_run(arguments);
    case CommandId::doctor:
      return handle_doctor(arguments);
    case CommandId::gen_uuid:
    case CommandId::gen_filename:
      return handle_generate(id);
    case CommandId::show_license:
      return handle_show_license();
    case CommandId::help:
      print(overview(kCommandTable));
      return kSuccess;
  }
  return kFailure;
}

int answer(const Request& request, const char* program) {
  if (const auto* invocation = std::get_if<Invocation>(&request)) {
    Log::set_level(invocation->log_level);
    Log::set_prefix(cat("penstock ", invocation->command->name));
    return handle(*invocation);
  }
  if (const auto* help = std::get_if<HelpRequest>(&request)) {
    print(help->command != nullptr ? command_help(*help->command) : overview(kCommandTable));
    return kSuccess;
  }
  if (std::holds_alternative<VersionRequest>(request)) {
    print(version_line(program));
    return kSuccess;
  }
  if (std::holds_alternative<CompletionsRequest>(request)) {
    print(bash_completions(kCommandTable));
    return kSuccess;
  }
  sys::write_all(STDERR_FILENO, overview(kCommandTable), "stderr");
  return kUsage;
}

int run_program(std::span<char* const> words, const char* program) {
  try {
    return answer(parse_command_line(kCommandTable, {words.data(), words.size()}), program);
  } catch (const UsageError& error) {
    Log::set_prefix(error.prefix());
    Log::error(error.message());
    return kUsage;
  } catch (const ReaderGone&) {
    return kFailure;
  } catch (const std::exception& error) {
    Log::error(error.what());
    return kFailure;
  }
}

// The keeper is measured by its peak: what only the loader needed goes before the program's own
// constructors touch their pages.
void drop_loader_pages(int argc, char** argv, char** /*environment*/) {
  if (argc > 0 && *argv[0] == *pipeline::kKeeperName) sys::drop_startup_pages();
}
[[gnu::section(".preinit_array"), gnu::used]] void (*const kFirstOfAll)(int, char**,
                                                                        char**) = drop_loader_pages;

}  // namespace
}  // namespace penstock::cli

int main(int argc, char** argv) {
  const std::span<char* const> words(argv, static_cast<size_t>(argc));
  if (argc > 0 && std::strcmp(words[0], penstock::pipeline::kKeeperName) == 0) {
    return penstock::pipeline::keeper_main(words.subspan(1));
  }
  if (argc > 0 && std::strcmp(words[0], penstock::lib::kHelperName) == 0) {
    return penstock::lib::helper_main(words.subspan(1));
  }
  penstock::sys::fill_closed_standard_fds();
  // A reader of our output that went away is an error to be told, not a death.
  penstock::sys::ignore_sigpipe();
  penstock::sys::ignore_sigxfsz();
  // A caller that ignores SIGCHLD would have the kernel throw away the statuses of our children.
  penstock::sys::heed_sigchld();
  return penstock::cli::run_program(argc > 0 ? words.subspan(1) : words,
                                    argc > 0 ? words[0] : "penstock");
}
