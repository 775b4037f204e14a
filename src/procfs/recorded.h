// What a recorded tree says besides its files: what the probes of pipes told, which paths were
// named pipes, and facts of the machine. docs/formats/recorded-proc.md describes it.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "procfs/reader.h"
#include "procfs/snapshot.h"

namespace penstock::procfs {

struct Recorded {
  std::map<ino_t, PipeFacts> pipes;
  std::map<std::string, ino_t, std::less<>> fifos;  // by what the links say
  std::optional<double> taken_s;
  std::optional<uid_t> looker;
  std::optional<size_t> page_size;
  std::optional<long> ticks_per_s;
  std::optional<std::string> architecture;
};

// Lines that it cannot make sense of are left out.
Recorded parse_recorded(std::string_view text);
// PROC/penstock-probes; nothing is known if it is not there.
Recorded read_recorded(Reader& reader, int proc);

}  // namespace penstock::procfs
