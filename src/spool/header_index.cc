#include "spool/header_index.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "sys/beneath.h"
#include "sys/directory.h"
#include "sys/files.h"

namespace penstock::spool {

namespace {

constexpr const char* kName = "index";
// What is not ours is overwritten, so it must not be another's file: no link is followed.
constexpr int kNoOther = O_NOFOLLOW | O_NONBLOCK;
constexpr size_t kReadBlock = 32UL << 10U;  // what is touched anew costs a page fault each 4 KiB
constexpr size_t kBlock = 256UL << 10U;
constexpr size_t kMaxLine = 2048;
constexpr size_t kUsualLine = 120;
constexpr size_t kMostExpected = 64UL << 20U;  // a file of holes is no reason to take more
// So much more is stored than was asked for before it is written anew.
constexpr size_t kSlack = 1000;

std::string index_path(const Queue& queue) {
  return cat(queue.private_path(), "/", kName);
}

struct stat status_of_queue(const Queue& queue) {
  const auto status = sys::status_of_path(queue.dir());
  if (!status) throw Error::from_errno(cat("look at ", printable(queue.dir())), ENOENT);
  return *status;
}

// Who else could have written it could hide jobs by it.
void check_is_ours(int fd, const Queue& queue) {
  const std::string path = printable(index_path(queue));
  const struct stat status = sys::status_of(fd, path);
  if (!S_ISREG(status.st_mode)) throw Error(cat(path, " is no regular file"));
  if (status.st_nlink > 1) throw Error(cat(path, " has other names, too"));
  const bool has_good_owner = status.st_uid == 0 || status.st_uid == ::geteuid() ||
                              status.st_uid == status_of_queue(queue).st_uid;
  if (!has_good_owner || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    throw Error(cat(path, " can be written by others"));
}

}  // namespace

bool HeaderIndex::by_file(const Row& a, const Row& b) {
  return std::tie(a.id.inode, a.id.device) < std::tie(b.id.inode, b.id.device);
}

void HeaderIndex::load() noexcept {
  try {
    const auto directory = sys::try_open_unplanted(queue_.private_path(), O_PATH | O_DIRECTORY);
    if (!directory) return;
    const auto file = sys::try_open_beneath(directory->get(), kName, O_RDONLY | kNoOther);
    if (!file) {
      if (errno != ENOENT) throw Error::from_errno(cat("open ", printable(index_path(queue_))));
      return;
    }
    check_is_ours(file->get(), queue_);
    const off_t size = sys::status_of(file->get(), printable(index_path(queue_))).st_size;
    rows_.reserve(std::min(static_cast<size_t>(size), kMostExpected) / kUsualLine);
    read(file->get());
  } catch (const std::exception& error) {
    rows_.clear();
    Log::debug(cat("the header index is not used: ", error.what()));
  }
  sort();
}

void HeaderIndex::read(int fd) {
  const std::string path = printable(index_path(queue_));
  std::vector<uint8_t> block(kReadBlock);
  std::string rest;
  bool has_intro = false;
  while (const size_t count = sys::read_some(fd, block, path)) {
    rest.append(reinterpret_cast<const char*>(block.data()), count);
    std::string_view text = rest;
    if (!has_intro) {
      has_intro = text.starts_with(kIndexIntro);
      is_foreign_ = !has_intro;
      if (is_foreign_) throw Error(cat(path, " is not ours, or of another version"));
      text.remove_prefix(kIndexIntro.size());
    }
    for (size_t end = 0; (end = text.find('\n')) != std::string_view::npos;) {
      read_line(text.substr(0, end));
      text.remove_prefix(end + 1);
    }
    rest = text.size() > kMaxLine ? std::string() : std::string(text);
  }
}

void HeaderIndex::read_line(std::string_view line) {
  ++stored_lines_;
  auto row = decode_index_line(line);
  if (!row) return;
  Row& stored = rows_.emplace_back();
  static_cast<IndexRow&>(stored) = std::move(*row);
  stored.is_stored = true;
}

const IndexRow* HeaderIndex::find(std::string_view name, const FileIdentity& id,
                                  const Timestamp& changed) {
  const uint64_t name_digest = digest_of(name);
  Row wanted;
  wanted.id = id;
  const auto [first, last] = std::ranges::equal_range(rows_, wanted, by_file);
  const IndexRow* found = nullptr;
  for (auto row = first; row != last; ++row) {
    if (!(row->id == id) || row->changed != changed || row->name != name_digest) continue;
    row->is_asked_for = true;
    if (row->way == way_) found = &*row;
  }
  return found;
}

void HeaderIndex::add(std::string_view name, const FileIdentity& id, const Timestamp& changed,
                      std::variant<IndexedHeader, IndexedFailure> entry) {
  Row row;
  row.name = digest_of(name);
  row.id = id;
  row.changed = changed;
  row.way = way_;
  row.entry = std::move(entry);
  row.is_asked_for = true;
  added_.push_back(std::move(row));
}

void HeaderIndex::forget(const FileIdentity& id) {
  std::erase_if(rows_, [&](const Row& row) { return row.way == way_ && row.id == id; });
}

void HeaderIndex::sort_in_added() {
  std::ranges::move(added_, std::back_inserter(rows_));
  added_.clear();
  sort();
}

// What one run has stored is sorted as it stands.
void HeaderIndex::sort() {
  if (!std::ranges::is_sorted(rows_, by_file)) std::ranges::stable_sort(rows_, by_file);
}

bool HeaderIndex::save(Scan scan) noexcept {
  try {
    if (!added_.empty()) sort_in_added();
    return write(scan);
  } catch (const std::exception& error) {
    Log::debug(cat("the header index is not stored: ", error.what()));
    return false;
  }
}

bool HeaderIndex::write(Scan scan) {
  const auto asked_for = static_cast<size_t>(std::ranges::count(rows_, true, &Row::is_asked_for));
  const bool is_mostly_old = scan == Scan::whole && stored_lines_ > 2 * asked_for + kSlack;
  const bool is_news = !std::ranges::all_of(rows_, &Row::is_stored);
  if (!is_news && !is_mostly_old) return true;
  const bool anew = is_foreign_ || is_mostly_old;

  if (!sys::status_of_path(queue_.sequence_path())) return false;  // append-only
  const struct stat queue = status_of_queue(queue_);
  const bool is_for_another = queue.st_uid != ::geteuid();
  if (is_for_another && ::geteuid() != 0) return false;
  const auto hand_over = [&](int fd) {
    if (is_for_another && ::fchown(fd, queue.st_uid, queue.st_gid) != 0)
      throw Error::from_errno(cat("give ", printable(index_path(queue_)), " to the queue's owner"));
  };
  const bool made = sys::make_directory(queue_.private_path(), 0700);
  sys::refuse_planted_link(queue_.private_path());
  const sys::Directory directory(queue_.private_path());
  if (made) hand_over(directory.fd());
  const auto file =
      sys::try_open_beneath(directory.fd(), kName, O_RDWR | O_CREAT | O_APPEND | kNoOther, 0600);
  const std::string path = printable(index_path(queue_));
  if (!file) throw sys::open_error(index_path(queue_));
  check_is_ours(file->get(), queue_);
  if (::flock(file->get(), LOCK_EX | LOCK_NB) != 0) throw Error::from_errno(cat("lock ", path));

  const off_t size_before = anew ? 0 : sys::status_of(file->get(), path).st_size;
  if (size_before == 0) {
    hand_over(file->get());
    sys::truncate(file->get(), 0, path);
  }
  try {
    // Behind a line that a dying writer left unfinished it takes a new one.
    std::string text(size_before == 0 ? kIndexIntro : "\n");
    size_t lines = 0;
    for (const Row& row : rows_) {
      if (anew ? !row.is_asked_for && row.is_stored : row.is_stored) continue;
      text += encode(row);
      ++lines;
      if (text.size() < kBlock) continue;
      sys::write_all(file->get(), text, path);
      text.clear();
    }
    sys::write_all(file->get(), text, path);
    stored_lines_ = lines + (anew ? 0 : stored_lines_);
  } catch (const Error&) {
    // Nothing stored is better than half of it; should this fail, too, lines tell they are torn.
    std::ignore = ::ftruncate(file->get(), size_before);
    throw;
  }
  if (anew) std::erase_if(rows_, [](const Row& row) { return !row.is_asked_for && row.is_stored; });
  for (Row& row : rows_) row.is_stored = true;
  is_foreign_ = false;
  return true;
}

}  // namespace penstock::spool
