// The files of /proc, which anybody may influence: a name holds any bytes, a descriptor may lead to
// any path. The first byte chooses the parser.
#include <cstdlib>

#include "procfs/process_files.h"
#include "procfs/recorded.h"
#include "procfs/system_call.h"
#include "procfs/system_files.h"

namespace {

using namespace penstock::procfs;

void require(bool truth) {
  if (!truth) std::abort();
}

void parse_process(unsigned which, std::string_view text) {
  switch (which) {
    case 0:
      if (const auto line = parse_stat_line(text)) require(parse_stat(text) == line->stat);
      break;
    case 1:
      parse_status(text);
      break;
    case 2:
      parse_io(text);
      break;
    case 3:
      if (const auto wchan = parse_wchan(text)) require(!wchan->empty() && *wchan != "0");
      break;
    case 4:
      if (const auto at = parse_exec_start(text)) require(*at >= 0);
      break;
    case 5:
      parse_arguments(text);
      break;
    case 6:
      require(parse_environment(text, {"A", "B"}).size() <= 2);
      break;
    case 7:
      parse_fdinfo(text);
      break;
    default:
      parse_fd_link(text);
      break;
  }
}

void parse_call(CallTable table, std::string_view text) {
  const auto state = parse_syscall(text, table);
  if (!state) return;
  require(call_named(name_of(state->call)) == state->call);
  if (const auto argument = path_argument(*state, table)) require(*argument < 2);
  changes_memory(*state, table);
}

void parse_machine(unsigned which, std::string_view text) {
  switch (which) {
    case 0:
      parse_locks(text);
      break;
    case 1:
      for (const TcpSocket& socket : parse_tcp(text)) require(!socket.local.empty());
      break;
    case 2:
      parse_unix(text);
      break;
    case 3:
      parse_cgroup(text);
      break;
    case 4:
      parse_keyed(text, "frozen");
      break;
    case 5:
      parse_mounts(text);
      break;
    default:
      parse_recorded(text);
      break;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const unsigned which = data[0] % 19;
  if (which < 9) parse_process(which, text);
  if (which >= 9 && which < 12) parse_call(static_cast<CallTable>(which - 9), text);
  if (which >= 12) parse_machine(which - 12, text);
  return 0;
}
