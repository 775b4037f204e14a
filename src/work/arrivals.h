// What happens in queues while nobody runs them, told by the kernel through one descriptor
// (inotify), however many they are.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "spool/queue.h"
#include "sys/unique_fd.h"

namespace penstock::work {

// The number on disk; nothing if it cannot be read.
std::optional<uint64_t> number_now(const spool::Queue& queue);

class Arrivals {
 public:
  using Key = uint64_t;  // what the caller calls a queue

  enum class News {
    job,      // a job file that may be whole
    removal,  // a job file is gone; told where that was asked for
    place,    // another jobs directory, or lock
    number,   // perhaps another number: somebody had the file open for writing, or replaced it
    gone,     // the queue's directory was removed or renamed
    entry,    // in a folder: something came or went
  };
  // Nothing for a key: some news was lost, of whomever.
  using Listener = std::function<void(std::optional<Key> key, News news)>;

  Arrivals();

  // Readable when there is news; -1 if the kernel has no inotify for us.
  int fd() const { return inotify_.get(); }

  enum class Removals { left_out, told };
  struct Watched {
    bool is_elsewhere = false;  // its jobs directory is another one than before, or the first
    int why_not = 0;            // errno, if its jobs directory is not watched
  };
  // Watches what `queue` leads to, as `key`, anew wherever that is something else by now. What we
  // do to a job file ourselves is no news. What comes while nobody takes it is kept by the kernel.
  Watched watch(Key key, const spool::Queue& queue, Removals removals = Removals::left_out);
  // Watches a directory for what comes and goes right below it.
  void watch_folder(Key key, const std::string& path);
  void forget(Key key);

  // Tells what has come, without waiting.
  void take(const Listener& tell);

 private:
  // Watch descriptors: one for each file or directory, whatever names lead to it.
  struct Places {
    int queue = -1;
    int jobs = -1;
    int number = -1;
    int folder = -1;
  };
  bool put(Key key, int Places::*place, const std::string& path, uint32_t events);
  void drop(Key key, int watch);
  void tell_of(int watch, uint32_t events, std::string_view name, const Listener& tell);

  sys::UniqueFd inotify_;
  std::map<Key, Places> places_;
  std::multimap<int, Key> keys_;  // by watch descriptor
};

}  // namespace penstock::work
