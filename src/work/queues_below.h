// Which directories are queues, for those who take all that there are.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace penstock::work {

// Names the directory behind all paths that lead to it.
using Place = std::pair<dev_t, ino_t>;

// Nothing if there is nothing (any more), or nobody may look.
std::optional<Place> place_of(const std::string& path);

// Directories right below `dir`, sorted by name, hidden ones left out, and of several names of one
// only the first. Throws RunFailure if `dir` cannot be read.
std::vector<std::string> directories_below(const std::string& dir);

// Whether it has something of a queue, which need not be in order: then its run says so. Where
// nobody can look, neither may be told that there is nothing.
bool looks_like_queue(const std::string& dir);
// Whether it has all of it.
bool is_whole_queue(const std::string& dir);

// Those right below `dir` that look like a queue. Throws RunFailure if `dir` cannot be read.
std::vector<std::string> queues_below(const std::string& dir);

// The first of them that is a directory which came before under another name, and that name.
std::optional<std::pair<std::string, std::string>> same_queue(
    const std::vector<std::string>& queues);

}  // namespace penstock::work
