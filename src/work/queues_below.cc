#include "work/queues_below.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <set>
#include <system_error>

#include "base/text.h"
#include "work/run_failure.h"

namespace penstock::work {

namespace {

enum class Presence { there, absent, unknown };

Presence presence_of(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0) return Presence::there;
  return errno == ENOENT || errno == ENOTDIR ? Presence::absent : Presence::unknown;
}

}  // namespace

std::optional<Place> place_of(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return std::pair(status.st_dev, status.st_ino);
}

std::vector<std::string> directories_below(const std::string& dir) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator each(dir, error), end; !error && each != end;
       each.increment(error)) {
    const std::string name = each->path().filename().string();
    std::error_code cannot_tell;
    const bool is_directory = each->is_directory(cannot_tell) ||
                              (cannot_tell && cannot_tell != std::errc::no_such_file_or_directory);
    if (name.front() != '.' && name != "lost+found" && is_directory) names.push_back(name);
  }
  if (error) {
    throw RunFailure(error.value() == ENOENT ? FailureKind::no_queue : FailureKind::io,
                     cat("cannot read ", printable(dir), ": ", error.message()));
  }
  std::ranges::sort(names);
  std::vector<std::string> found;
  std::set<Place> known;
  for (const std::string& name : names) {
    std::string directory = cat(dir, dir.ends_with('/') ? "" : "/", name);
    const auto place = place_of(directory);
    if (!place || known.insert(*place).second) found.push_back(std::move(directory));
  }
  return found;
}

bool looks_like_queue(const std::string& dir) {
  return presence_of(dir + "/jobs") != Presence::absent ||
         presence_of(dir + "/nextseq") != Presence::absent;
}

bool is_whole_queue(const std::string& dir) {
  const auto is_there = [&](const char* name) {
    return presence_of(dir + name) == Presence::there;
  };
  return is_there("/jobs") && is_there("/nextseq") && is_there("/nextseq.lock");
}

std::vector<std::string> queues_below(const std::string& dir) {
  std::vector<std::string> queues = directories_below(dir);
  std::erase_if(queues, [](const std::string& each) { return !looks_like_queue(each); });
  return queues;
}

std::optional<std::pair<std::string, std::string>> same_queue(
    const std::vector<std::string>& queues) {
  std::map<Place, std::string> known;
  for (const std::string& queue : queues) {
    const auto place = place_of(queue);
    if (!place) continue;
    const auto [first, is_new] = known.try_emplace(*place, queue);
    if (!is_new) return std::pair(queue, first->second);
  }
  return std::nullopt;
}

}  // namespace penstock::work
