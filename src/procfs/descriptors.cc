#include "procfs/descriptors.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "procfs/recorded.h"
#include "procfs/system_files.h"

namespace penstock::procfs {

namespace {

constexpr size_t kMaxMountTable = 4 << 20;
constexpr size_t kMaxOthers = 4096;  // of one process; 100,000 open files are no pipeline
constexpr size_t kMaxTargetsKnown = 65536;

bool is_dull_device(std::string_view target) {
  return target == "/dev/null" || target == "/dev/zero" || target == "/dev/urandom" ||
         target == "/dev/random" || target == "/dev/full";
}

void set_direction(Descriptor& descriptor, uint32_t flags) {
  const auto mode = flags & static_cast<uint32_t>(O_ACCMODE);
  const bool by_path = (flags & static_cast<uint32_t>(O_PATH)) != 0;
  descriptor.reads = !by_path && (mode == O_RDONLY || mode == O_RDWR);
  descriptor.writes = !by_path && (mode == O_WRONLY || mode == O_RDWR);
}

bool is_gate(const Descriptor& descriptor) {
  return descriptor.kind == FileKind::memfd && is_gate_memfd(descriptor.target);
}

bool is_kept(const Descriptor& descriptor) {
  return descriptor.is_pipe() || descriptor.kind == FileKind::socket || is_gate(descriptor);
}

}  // namespace

ProcessPlace ProcessPlace::below(int proc, pid_t pid) {
  const Path top = Path().add(pid).add("/");
  return {.base = proc, .top = top, .home = top};
}

std::optional<ProcessPlace> ProcessPlace::pin(int proc, pid_t pid) {
  sys::UniqueFd directory = Reader::place(proc, Path().add(pid).c_str());
  if (!directory) return std::nullopt;
  const int base = directory.get();
  return ProcessPlace{.base = base, .pinned = std::move(directory)};
}

DescriptorReader::DescriptorReader(Reader& reader, int proc, Origin origin)
    : reader_(reader), proc_(proc), origin_(origin) {
  if (origin == Origin::recorded) recorded_fifos_ = read_recorded(reader, proc).fifos;
}

std::optional<std::vector<Descriptor>> DescriptorReader::read(const ProcessPlace& place) {
  const sys::UniqueFd directory =
      reader_.list_numbers(place.base, place.path("fd").c_str(), numbers_);
  if (!directory) return std::nullopt;
  std::ranges::sort(numbers_);
  std::vector<Descriptor> descriptors;
  descriptors.reserve(std::min(numbers_.size(), kMaxOthers));
  size_t others = 0;
  for (const int fd : numbers_) {
    errno = 0;
    auto descriptor = read_one(place, directory.get(), fd);
    // A container's first process may let its numbers be listed and no link be read.
    if (!descriptor && (errno == EACCES || errno == EPERM)) return std::nullopt;
    if (!descriptor) continue;
    if (descriptor->kind == FileKind::path && others < kMaxOthers)
      find_fifo(place, directory.get(), *descriptor);
    if (!is_kept(*descriptor) && ++others > kMaxOthers) continue;
    descriptors.push_back(std::move(*descriptor));
  }
  return descriptors;
}

void DescriptorReader::complete(const ProcessPlace& place, std::vector<Descriptor>& descriptors) {
  std::erase_if(descriptors, [&](Descriptor& descriptor) { return !add_info(place, descriptor); });
}

void DescriptorReader::read_gates(const ProcessPlace& place, std::vector<Descriptor>& descriptors) {
  for (Descriptor& descriptor : descriptors) {
    if (is_gate(descriptor)) add_gate_text(place, descriptor);
  }
}

bool DescriptorReader::refresh(const ProcessPlace& place, std::vector<Descriptor>& descriptors) {
  return std::ranges::all_of(descriptors, [&](Descriptor& descriptor) {
    const bool is_shared =
        descriptor.is_pipe() || descriptor.kind == FileKind::epoll || descriptor.locked;
    return !is_shared || add_info(place, descriptor);
  });
}

void DescriptorReader::strip(std::vector<Descriptor>& descriptors) {
  std::erase_if(descriptors, [](const Descriptor& descriptor) { return !is_kept(descriptor); });
  descriptors.shrink_to_fit();
}

std::optional<Descriptor> DescriptorReader::read_one(const ProcessPlace& place, int directory,
                                                     int fd) {
  const auto target = reader_.link(directory, Path().add(fd).c_str());
  if (!target) return std::nullopt;  // closed meanwhile
  const FdLink link = parse_fd_link(*target);
  Descriptor descriptor{
      .fd = fd, .kind = link.kind, .target = std::string(*target), .inode = link.inode};
  descriptor.reads = descriptor.writes = link.kind == FileKind::socket;
  if (link.kind == FileKind::pipe) add_direction(place, directory, descriptor);
  if (is_gate(descriptor)) add_gate_text(place, descriptor);
  return descriptor;
}

// False if it is closed, or open on something else now.
bool DescriptorReader::add_info(const ProcessPlace& place, Descriptor& descriptor) {
  switch (descriptor.kind) {
    case FileKind::path:
      if (is_dull_device(descriptor.target)) return true;
      break;
    case FileKind::pipe:
    case FileKind::fifo:
    case FileKind::tty:
    case FileKind::epoll:
      break;
    default:
      return true;
  }
  const auto text = reader_.read(place.base, place.path("fdinfo", descriptor.fd).c_str());
  if (!text) return errno != ENOENT || origin_ == Origin::recorded;
  FdInfo info = parse_fdinfo(*text);
  if (!info.flags) return true;
  const bool reads = descriptor.reads;
  const bool writes = descriptor.writes;
  set_direction(descriptor, *info.flags);
  const bool changed = reads != descriptor.reads || writes != descriptor.writes;
  if (descriptor.is_pipe() && changed && (reads || writes)) return false;
  descriptor.flags = info.flags;
  if (!descriptor.is_pipe()) descriptor.position = info.position;
  descriptor.watched = std::move(info.watched);
  descriptor.locked = info.locked;
  return true;
}

void DescriptorReader::add_direction(const ProcessPlace& place, int directory,
                                     Descriptor& descriptor) {
  if (origin_ == Origin::live) {
    // The link's own mode tells: r for reading, w for writing.
    struct stat status {};
    if (fstatat(directory, Path().add(descriptor.fd).c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      return;
    }
    descriptor.reads = (status.st_mode & S_IRUSR) != 0;
    descriptor.writes = (status.st_mode & S_IWUSR) != 0;
    return;
  }
  const auto text = reader_.read(place.base, place.path("fdinfo", descriptor.fd).c_str());
  if (!text) return;
  const FdInfo info = parse_fdinfo(*text);
  if (info.flags) set_direction(descriptor, *info.flags);
}

void DescriptorReader::add_gate_text(const ProcessPlace& place, Descriptor& descriptor) {
  // A recorded tree cannot have a memfd; its text lies beside it.
  const std::string_view where = origin_ == Origin::live ? "fd" : "memfd";
  const auto text = reader_.read(place.base, place.path(where, descriptor.fd).c_str());
  if (text) descriptor.content = *text;
}

bool DescriptorReader::is_local(std::optional<int> mount) {
  if (!mount) return false;
  if (!mounts_) {
    const auto table = reader_.read_whole(proc_, "self/mountinfo", kMaxMountTable);
    mounts_ = table ? parse_mounts(*table) : std::map<int, bool>();
  }
  const auto found = mounts_->find(*mount);
  return found != mounts_->end() && found->second;
}

void DescriptorReader::find_fifo(const ProcessPlace& place, int directory, Descriptor& descriptor) {
  if (is_dull_device(descriptor.target)) return;
  if (origin_ == Origin::recorded) {
    const auto found = recorded_fifos_.find(descriptor.target);
    if (found == recorded_fifos_.end()) return;
    descriptor.kind = FileKind::fifo;
    descriptor.inode = found->second;
    add_direction(place, directory, descriptor);
    return;
  }
  const auto known = may_be_fifo_.find(descriptor.target);
  if (known != may_be_fifo_.end() && !known->second) return;
  const auto text = reader_.read(place.base, place.path("fdinfo", descriptor.fd).c_str());
  if (!text) return;
  const FdInfo info = parse_fdinfo(*text);
  struct statx status {};
  // Only a local file system is asked, and even that only for what it has at hand.
  const bool told =
      is_local(info.mount) && statx(directory, Path().add(descriptor.fd).c_str(),
                                    AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, &status) == 0;
  const bool is_fifo = told && S_ISFIFO(status.stx_mode);
  if (may_be_fifo_.size() < kMaxTargetsKnown) may_be_fifo_[descriptor.target] = is_fifo;
  if (!is_fifo) return;
  descriptor.kind = FileKind::fifo;
  descriptor.inode = status.stx_ino;
  if (info.flags) set_direction(descriptor, *info.flags);
}

}  // namespace penstock::procfs
