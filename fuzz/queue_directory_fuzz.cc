// A queue into which anybody has put anything: names, kinds of files and contents come from the
// input. Listing and sweeping it must neither crash, hang, nor take away what may still run.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "packet/header.h"
#include "spool/quarantine.h"
#include "spool/sequence_file.h"
#include "work/sweep.h"

namespace {

using namespace penstock;

void require(bool truth) {
  if (!truth) std::abort();
}

// Takes bytes off the input; zeros once there are none.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  bool empty() const { return rest_.empty(); }
  uint8_t byte() { return rest_.empty() ? 0 : static_cast<uint8_t>(take(1).front()); }
  std::string_view take(size_t count) {
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(taken.size());
    return taken;
  }

 private:
  std::string_view rest_;
};

// A queue in memory, gone again with the object.
class Queue {
 public:
  Queue() {
    std::string path = std::filesystem::exists("/dev/shm") ? "/dev/shm" : "/tmp";
    path += "/penstock-fuzz-XXXXXX";
    require(::mkdtemp(path.data()) != nullptr);
    dir_ = path;
    std::filesystem::create_directories(dir_ + "/jobs");
    std::filesystem::create_directories(dir_ + "/penstock/quarantine");
    write("nextseq", "1\n");
    write("nextseq.lock", "");
  }
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;
  ~Queue() { std::filesystem::remove_all(dir_); }

  const std::string& dir() const { return dir_; }
  void write(const std::string& name, std::string_view content) const {
    const std::string path = dir_ + "/" + name;
    const int fd =
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_NOFOLLOW, 0600);
    if (fd < 0) return;  // such a name cannot be had, or something else has it
    if (::write(fd, content.data(), content.size()) < 0) std::abort();
    ::close(fd);
  }

  // One thing more, as the input says.
  void add(Input& input) const {
    const uint8_t kind = input.byte();
    const std::string name = name_from(input);
    const std::string content(input.take(input.byte()));
    std::error_code failure;  // such a name cannot be had: one thing less
    switch (kind % 9) {
      case 0:
        return write("jobs/" + name, content);
      case 1:
      case 2:
        return write("jobs/" + name, job(input.byte(), content));
      case 3:
        std::filesystem::create_symlink(content, dir_ + "/jobs/" + name, failure);
        return;
      case 4:
        static_cast<void>(::mkfifo((dir_ + "/jobs/" + name).c_str(), 0600));
        return;
      case 5:
        std::filesystem::create_directory(dir_ + "/jobs/" + name, failure);
        return;
      case 6:
        return write("nextseq", content);
      case 7:
        return write("nextseq.lock", content);
      default:
        return write("penstock/quarantine/" + name, content);
    }
  }

 private:
  static std::string name_from(Input& input) {
    const uint8_t form = input.byte();
    std::string name(input.take(form / 8));
    std::ranges::replace(name, '/', '_');
    std::ranges::replace(name, '\0', '_');
    if (form % 4 == 1) return "tmp-" + name + ".fspl.tmp";
    if (form % 4 == 2) return "fspl-" + name + ".fspl.report";
    if (form % 4 == 3) return name + "_";
    return "fspl-" + name + ".fspl";
  }
  static std::string job(uint8_t number, std::string_view payload) {
    packet::Metadata metadata;
    metadata.sequence = number % 8 == 7 ? UINT64_MAX : number % 8;
    metadata.kind = packet::Kind::nop;
    return packet::encode_header(metadata) + std::string(payload);
  }

  std::string dir_;
};

// The numbers that may still run.
std::set<uint64_t> waiting(const work::InspectSettings& settings, uint64_t next) {
  std::set<uint64_t> numbers;
  uint64_t last = 0;
  for (const work::QueueEntry& entry : work::list_queue(settings, work::Marks::yes)) {
    require(entry.job.number >= last);
    last = entry.job.number;
    require(spool::is_job_name(entry.job.name));
    if (entry.job.number >= next) numbers.insert(entry.job.number);
  }
  return numbers;
}

bool is_stray_again(const work::Stray& stray) {
  return !stray.stays;
}

void list_and_sweep(const Queue& queue) {
  const work::InspectSettings settings = {.queue_dir = queue.dir()};
  const uint64_t next = spool::read_sequence_unlocked(queue.dir() + "/nextseq");
  const std::set<uint64_t> before = waiting(settings, next);
  const size_t told = work::sweep(settings, work::Apply::no).size();
  require(work::sweep(settings, work::Apply::yes).size() == told);
  require(waiting(settings, next) == before);
  require(std::ranges::none_of(work::sweep(settings, work::Apply::no), is_stray_again));
}

void look_into_the_quarantine(const Queue& queue) {
  const spool::Queue opened(queue.dir());
  for (const spool::QuarantinedJob& job : spool::quarantined_jobs(opened))
    spool::read_report(opened, job);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Log::set_level(LogLevel::none);
  const Queue queue;
  Input input(data, size);
  while (!input.empty()) queue.add(input);
  try {
    look_into_the_quarantine(queue);
    list_and_sweep(queue);
  } catch (const Error&) {  // a damaged number, a conflict: said, and nothing done
  }
  return 0;
}
