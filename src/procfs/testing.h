// For tests: a recorded tree that is written down line by line, in a folder that goes again.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "base/text.h"
#include "procfs/capture.h"

namespace penstock::procfs::testing {

class RecordedTree {
 public:
  RecordedTree() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "penstock-proc-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
  }
  RecordedTree(const RecordedTree&) = delete;
  RecordedTree& operator=(const RecordedTree&) = delete;
  ~RecordedTree() { std::filesystem::remove_all(root_); }

  const std::filesystem::path& root() const { return root_; }
  Source source() const {
    return {.proc = (root_ / "proc").string(), .sys_cgroup = (root_ / "cgroup").string()};
  }

  void file(const std::string& name, std::string_view text) {
    std::filesystem::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name, std::ios::binary) << text;
  }
  void link(const std::string& name, const std::string& target) {
    std::filesystem::create_directories((root_ / name).parent_path());
    std::filesystem::create_symlink(target, root_ / name);
  }
  // A process with one thread.
  void process(int pid, const std::string& comm, char state, const std::string& wchan,
               const std::string& syscall) {
    const std::string here = cat("proc/", pid, "/");
    file(here + "stat",
         cat(pid, " (", comm, ") ", state, " 1 100 100 0 -1 4194304 0 0 0 0 3 4 0 0 20 0 1 0 ",
             5000 + pid, " 0 0 0\n"));
    file(here + "status", cat("Name:\t", comm, "\nState:\t", state,
                              " (x)\nUid:\t0\t0\t0\t0\nThreads:\t1\n"
                              "voluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t6\n"));
    file(here + "wchan", wchan);
    file(here + "syscall", syscall);
    file(here + "io", "rchar: 1\nwchar: 2\n");
    file(here + "cmdline", std::string_view("cmd\0-x\0", 7));
    file(here + "cgroup", "0::/job\n");
    std::filesystem::create_directories(root_ / here / "fd");
  }
  void descriptor(int pid, int fd, const std::string& target, const std::string& info) {
    link(cat("proc/", pid, "/fd/", fd), target);
    file(cat("proc/", pid, "/fdinfo/", fd), info);
  }

 private:
  std::filesystem::path root_;
};

inline std::set<pid_t> choose_all(const Snapshot& table) {
  std::set<pid_t> all;
  for (const auto& [pid, process] : table.processes) all.insert(pid);
  return all;
}

}  // namespace penstock::procfs::testing
