// The descriptor table of a process, and named pipes told from other paths in it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "procfs/process_files.h"
#include "procfs/reader.h"

namespace penstock::procfs {

// Where a process is looked at. `pinned` is its directory below /proc, which goes on to mean this
// very process when the number has been given out anew; without it, names are looked up anew.
struct ProcessPlace {
  int base = -1;  // /proc, or `pinned`
  Path top;       // "4711/", or "" below `pinned`
  Path home;      // the same, or "task/TID/" behind it where the first thread has ended
  sys::UniqueFd pinned;

  static ProcessPlace below(int proc, pid_t pid);
  // Nothing if there is no such process.
  static std::optional<ProcessPlace> pin(int proc, pid_t pid);

  Path path(std::string_view name) const { return Path(home).add(name); }
  Path path(std::string_view name, int number) const {
    return Path(home).add(name).add("/").add(number);
  }
};

enum class Origin { live, recorded };
class DescriptorReader {
 public:
  DescriptorReader(Reader& reader, int proc, Origin origin);

  // What the links say, the direction of pipes, the text of gates; nothing if the table may not be
  // read, or the process is gone. Of a table of thousands only the pipes and the like.
  std::optional<std::vector<Descriptor>> read(const ProcessPlace& place);
  // Adds what fdinfo says, of those of which it is interesting; leaves out whatever has changed
  // since.
  void complete(const ProcessPlace& place, std::vector<Descriptor>& descriptors);
  // The text of gates, which others write, anew.
  void read_gates(const ProcessPlace& place, std::vector<Descriptor>& descriptors);
  // Anew what others can change under a sleeper: the flags of pipes and what an epoll watches, as
  // these may be shared. False if a descriptor is another one now.
  bool refresh(const ProcessPlace& place, std::vector<Descriptor>& descriptors);
  // What is left of a process that nobody looks at.
  static void strip(std::vector<Descriptor>& descriptors);

 private:
  std::optional<Descriptor> read_one(const ProcessPlace& place, int directory, int fd);
  bool add_info(const ProcessPlace& place, Descriptor& descriptor);
  void add_direction(const ProcessPlace& place, int directory, Descriptor& descriptor);
  void add_gate_text(const ProcessPlace& place, Descriptor& descriptor);
  // A path may be a named pipe. Then its kind, inode and direction are filled in.
  void find_fifo(const ProcessPlace& place, int directory, Descriptor& descriptor);
  bool is_local(std::optional<int> mount);

  Reader& reader_;
  int proc_;
  Origin origin_;
  std::vector<int> numbers_;
  std::optional<std::map<int, bool>> mounts_;          // read when first asked for
  std::unordered_map<std::string, bool> may_be_fifo_;  // by target
  std::map<std::string, ino_t, std::less<>> recorded_fifos_;
};

}  // namespace penstock::procfs
