#include "procfs/system_files.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/text.h"
#include "procfs/fields.h"

namespace penstock::procfs {

namespace {

// "fe:00:11018650": device numbers in hex, the inode in decimal.
bool read_lock_file(std::string_view word, FileLock& lock) {
  const size_t first = word.find(':');
  const size_t second = first == std::string_view::npos ? first : word.find(':', first + 1);
  if (second == std::string_view::npos) return false;
  const auto major = to_number<uint32_t>(word.substr(0, first), 16);
  const auto minor = to_number<uint32_t>(word.substr(first + 1, second - first - 1), 16);
  const auto inode = to_number<ino_t>(word.substr(second + 1));
  if (!major || !minor || !inode) return false;
  lock.major = *major;
  lock.minor = *minor;
  lock.inode = *inode;
  return true;
}

// "1: FLOCK  ADVISORY  WRITE 23823 fe:00:11018650 0 EOF", a waiter with "->" behind the number.
std::optional<FileLock> parse_lock(std::string_view line) {
  std::string_view number = take_word(line);
  if (!number.ends_with(':')) return std::nullopt;
  number.remove_suffix(1);
  const auto id = to_number<uint64_t>(number);
  if (!id) return std::nullopt;
  FileLock lock{.number = *id};
  std::string_view word = take_word(line);
  if (word == "->") {
    lock.waits = true;
    word = take_word(line);
  }
  lock.kind = word;
  take_word(line);  // ADVISORY
  word = take_word(line);
  lock.exclusive = word == "WRITE" || word == "RW";
  const auto pid = take_number<pid_t>(line);
  if (!pid || lock.kind.size() > 16 || !read_lock_file(take_word(line), lock)) return std::nullopt;
  lock.pid = *pid;
  return lock;
}

// Each group of eight digits is a 32-bit word of the address as this machine would print it.
std::optional<std::string> address_text(std::string_view digits) {
  std::array<uint32_t, 4> words{};
  const size_t count = digits.size() / 8;
  if (digits.size() % 8 != 0 || (count != 1 && count != 4)) return std::nullopt;
  for (size_t i = 0; i < count; ++i) {
    const auto word = to_number<uint32_t>(digits.substr(i * 8, 8), 16);
    if (!word) return std::nullopt;
    words.at(i) = *word;
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool is_six = count == 4;
  inet_ntop(is_six ? AF_INET6 : AF_INET, words.data(), text.data(), text.size());
  std::string_view shown(text.data());
  constexpr std::string_view kMapped = "::ffff:";
  if (is_six && shown.starts_with(kMapped) && shown.find('.') != std::string_view::npos) {
    return std::string(shown.substr(kMapped.size()));
  }
  return is_six ? cat('[', shown, ']') : std::string(shown);
}

std::optional<std::string> endpoint_text(std::string_view word) {
  const size_t colon = word.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto address = address_text(word.substr(0, colon));
  const auto port = to_number<uint16_t>(word.substr(colon + 1), 16);
  if (!address || !port) return std::nullopt;
  return cat(*address, ':', *port);
}

// "AA:BB", both in hex.
bool read_pair(std::string_view word, uint64_t& first, uint64_t& second) {
  const size_t colon = word.find(':');
  if (colon == std::string_view::npos) return false;
  const auto one = to_number<uint64_t>(word.substr(0, colon), 16);
  const auto two = to_number<uint64_t>(word.substr(colon + 1), 16);
  if (!one || !two) return false;
  first = *one;
  second = *two;
  return true;
}

std::optional<TcpSocket> parse_tcp_line(std::string_view line) {
  TcpSocket socket;
  take_word(line);  // its place in the table
  const auto local = endpoint_text(take_word(line));
  const auto remote = endpoint_text(take_word(line));
  const auto state = take_number<int>(line, 16);
  if (!local || !remote || !state) return std::nullopt;
  uint64_t timer = 0;
  uint64_t when = 0;
  if (!read_pair(take_word(line), socket.send_queue, socket.receive_queue)) return std::nullopt;
  if (!read_pair(take_word(line), timer, when)) return std::nullopt;
  const auto retransmits = take_number<uint64_t>(line, 16);
  take_word(line);  // uid
  const auto probes = take_number<uint64_t>(line);
  const auto inode = take_number<ino_t>(line);
  if (!retransmits || !probes || !inode) return std::nullopt;
  socket.local = *local;
  socket.remote = *remote;
  socket.state = *state;
  socket.timer = static_cast<int>(timer & 0xffU);
  socket.retransmits = *retransmits;
  socket.probes = *probes;
  socket.inode = *inode;
  return socket;
}

// "0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/x"
std::optional<UnixSocket> parse_unix_line(std::string_view line) {
  for (int word = 0; word < 5; ++word) take_word(line);
  const auto state = take_number<int>(line, 16);
  const auto inode = take_number<ino_t>(line);
  if (!state || !inode) return std::nullopt;
  if (line.starts_with(' ')) line.remove_prefix(1);
  return UnixSocket{.inode = *inode, .state = *state, .path = std::string(line)};
}

bool is_local(std::string_view type) {
  static constexpr std::array kLocal = {
      std::string_view("ext2"),  std::string_view("ext3"),     std::string_view("ext4"),
      std::string_view("xfs"),   std::string_view("btrfs"),    std::string_view("tmpfs"),
      std::string_view("ramfs"), std::string_view("devtmpfs"), std::string_view("f2fs"),
      std::string_view("jfs"),   std::string_view("reiserfs"), std::string_view("bcachefs"),
      std::string_view("zfs"),   std::string_view("overlay"),  std::string_view("squashfs"),
      std::string_view("vfat"),  std::string_view("exfat"),    std::string_view("iso9660"),
      std::string_view("rootfs")};
  return std::ranges::find(kLocal, type) != kLocal.end();
}

}  // namespace

std::vector<FileLock> parse_locks(std::string_view text) {
  std::vector<FileLock> locks;
  for (std::string_view line; take_line(text, line);) {
    if (auto lock = parse_lock(line)) locks.push_back(std::move(*lock));
  }
  return locks;
}

std::vector<TcpSocket> parse_tcp(std::string_view text) {
  std::vector<TcpSocket> sockets;
  for (std::string_view line; take_line(text, line);) {
    if (auto socket = parse_tcp_line(line)) sockets.push_back(std::move(*socket));
  }
  return sockets;
}

std::vector<UnixSocket> parse_unix(std::string_view text) {
  std::vector<UnixSocket> sockets;
  for (std::string_view line; take_line(text, line);) {
    if (auto socket = parse_unix_line(line)) sockets.push_back(std::move(*socket));
  }
  return sockets;
}

CgroupPaths parse_cgroup(std::string_view text) {
  CgroupPaths paths;
  for (std::string_view line; take_line(text, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    const std::string path(line.substr(second + 1));
    if (!path.starts_with('/')) continue;
    if (controllers.empty() && line.starts_with("0:")) paths.unified = path;
    if (cat(',', controllers, ',').find(",freezer,") != std::string::npos) paths.freezer = path;
  }
  return paths;
}

std::optional<uint64_t> parse_keyed(std::string_view text, std::string_view key) {
  return number_after(text, cat(key, ' '));
}

std::map<int, bool> parse_mounts(std::string_view text) {
  std::map<int, bool> mounts;
  for (std::string_view line; take_line(text, line);) {
    const auto id = take_number<int>(line);
    const size_t dash = line.find(" - ");  // behind a varying number of optional fields
    if (!id || dash == std::string_view::npos) continue;
    std::string_view rest = line.substr(dash + 3);
    mounts.emplace(*id, is_local(take_word(rest)));
  }
  return mounts;
}

}  // namespace penstock::procfs
