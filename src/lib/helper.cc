// Where the calling program becomes a helper or a keeper. In a file of its own: who uses another
// program for that does not link the engine.
#include <unistd.h>

#include <span>
#include <string_view>

#include "lib/helper_process.h"
#include "lib/request.h"
#include "penstock/pipeline.h"
#include "pipeline/keeper_process.h"

namespace penstock::api {

Helper Helper::in_this_program(int argc, char** argv) {
  const std::span<char* const> words(argv, static_cast<size_t>(argc));
  const std::string_view name = words.empty() ? "" : words[0];
  // _exit: what the program would do at its exit is about files and threads that it never had here.
  if (name == lib::kHelperName) ::_exit(lib::helper_main(words.subspan(1)));
  if (name == pipeline::kKeeperName) ::_exit(pipeline::keeper_main(words.subspan(1)));
  return Helper("/proc/self/exe");
}

}  // namespace penstock::api
