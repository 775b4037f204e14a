// The jobs of tests/crash: makes payloads of which every byte is known from the job's number and
// its place, and is the command that checks each of them and commits at end-of-file, by a rename.
//
//   crash_job generate NUMBER BYTES      a payload to stdout
//   crash_job generate-all DIR FIRST LAST BYTES...   those of many jobs, to DIR/NUMBER; job N has
//                                        the (N modulo count)th size
//   crash_job commit DIR PAUSE           checks stdin, then DIR/$FSPL_SEQ appears: "BYTES good|bad"
//   crash_job check PAUSE                the same, with that line to stdout
//   crash_job linger MILLISECONDS        copies stdin to stdout, and stays a while after its end
//
// `commit` writes down in DIR/log what it does: "start NUMBER ATTEMPT PREVIOUS" (as Penstock told
// it; 0 if not), "commit NUMBER BYTES good|bad". If there is a file DIR/fail-NUMBER, it then ends
// with status 3 and has committed nothing: "failed NUMBER".
// PAUSE is in microseconds, after each 64 KiB: what makes a job long enough to be hit.
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

constexpr size_t kBlock = 64UL << 10U;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(99);
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "0";
}

// splitmix64 of job and place, so that no part of a payload looks like another or like another
// job's.
uint8_t byte_at(uint64_t number, uint64_t offset) {
  uint64_t word = (number << 40U) + (offset / 8) + 0x9e3779b97f4a7c15;
  word = (word ^ (word >> 30U)) * 0xbf58476d1ce4e5b9;
  word = (word ^ (word >> 27U)) * 0x94d049bb133111eb;
  word ^= word >> 31U;
  return static_cast<uint8_t>(word >> (8 * (offset % 8)));
}

size_t read_block(std::vector<uint8_t>& block) {
  for (;;) {
    const ssize_t count = ::read(STDIN_FILENO, block.data(), block.size());
    if (count >= 0) return static_cast<size_t>(count);
    if (errno != EINTR) die("read");
  }
}

void write_all(int fd, const uint8_t* bytes, size_t count) {
  while (count > 0) {
    const ssize_t written = ::write(fd, bytes, count);
    if (written < 0) die("write");
    bytes += written;
    count -= static_cast<size_t>(written);
  }
}

void write_all(int fd, const std::string& text) {
  write_all(fd, reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

int generate(int fd, uint64_t number, uint64_t size) {
  std::vector<uint8_t> block(kBlock);
  for (uint64_t offset = 0; offset < size;) {
    const size_t count = std::min<uint64_t>(block.size(), size - offset);
    for (size_t i = 0; i < count; ++i) block[i] = byte_at(number, offset + i);
    write_all(fd, block.data(), count);
    offset += count;
  }
  return 0;
}

int generate_all(const std::string& directory, uint64_t first, uint64_t last,
                 const std::vector<uint64_t>& sizes) {
  for (uint64_t number = first; number <= last; ++number) {
    const std::string path = directory + "/" + std::to_string(number);
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) die("open");
    generate(fd, number, sizes[number % sizes.size()]);
    ::close(fd);
  }
  return 0;
}

// What a commit says of its content.
std::string check(std::chrono::microseconds pause) {
  const uint64_t number = std::stoull(variable("FSPL_SEQ"));
  std::vector<uint8_t> block(kBlock);
  uint64_t size = 0;
  uint64_t since_pause = 0;
  bool good = true;
  while (const size_t count = read_block(block)) {
    for (size_t i = 0; i < count; ++i) good = good && block[i] == byte_at(number, size + i);
    size += count;
    since_pause += count;
    if (since_pause >= kBlock) std::this_thread::sleep_for(pause);
    since_pause %= kBlock;
  }
  return std::to_string(size) + (good ? " good\n" : " bad\n");
}

void log(const std::string& directory, const std::string& line) {
  const int fd =
      ::open((directory + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd < 0) die("open log");
  write_all(fd, line);
  ::close(fd);
}

// Nothing but stdin, stdout and stderr is ours.
void look_for_descriptors(const std::string& directory) {
  DIR* own = ::opendir("/proc/self/fd");
  if (own == nullptr) die("opendir");
  while (const dirent* entry = ::readdir(own)) {
    if (entry->d_name[0] == '.' || std::atoi(entry->d_name) == ::dirfd(own)) continue;
    if (std::atoi(entry->d_name) > 2)
      log(directory, std::string("descriptor ") + entry->d_name + "\n");
  }
  ::closedir(own);
}

int commit(const std::string& directory, std::chrono::microseconds pause) {
  const std::string number = variable("FSPL_SEQ");
  look_for_descriptors(directory);
  // Held as long as this process lives: two at a time are two jobs at a time.
  const int lock = ::open((directory + "/running").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (lock < 0) die("open running");
  while (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    log(directory, "overlap " + number + "\n");
    break;
  }
  log(directory, "start " + number + " " + variable("PENSTOCK_ATTEMPT") + " " +
                     variable("PENSTOCK_PREVIOUS") + "\n");
  const std::string result = check(pause);
  if (::access((directory + "/fail-" + number).c_str(), F_OK) == 0) {
    log(directory, "failed " + number + "\n");
    return 3;
  }
  const std::string temporary = directory + "/." + number + ".tmp";
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) die("open");
  write_all(fd, result);
  ::close(fd);
  log(directory, "commit " + number + " " + result);  // a later one may hide a false one
  if (std::rename(temporary.c_str(), (directory + "/" + number).c_str()) != 0) die("rename");
  return 0;
}

int linger(std::chrono::milliseconds time) {
  std::vector<uint8_t> block(kBlock);
  while (const size_t count = read_block(block)) write_all(STDOUT_FILENO, block.data(), count);
  std::this_thread::sleep_for(time);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if (mode == "generate" && argc == 4)
    return generate(STDOUT_FILENO, std::stoull(argv[2]), std::stoull(argv[3]));
  if (mode == "generate-all" && argc >= 6) {
    std::vector<uint64_t> sizes;
    for (int i = 5; i < argc; ++i) sizes.push_back(std::stoull(argv[i]));
    return generate_all(argv[2], std::stoull(argv[3]), std::stoull(argv[4]), sizes);
  }
  if (mode == "commit" && argc == 4)
    return commit(argv[2], std::chrono::microseconds(std::atoi(argv[3])));
  if (mode == "check" && argc == 3) {
    write_all(STDOUT_FILENO, check(std::chrono::microseconds(std::atoi(argv[2]))));
    return 0;
  }
  if (mode == "linger" && argc == 3) return linger(std::chrono::milliseconds(std::atoi(argv[2])));
  std::fputs("crash_job: see its source\n", stderr);
  return 2;
}
