// What is said once by a row of runs, and not by each of them: --follow.
#pragma once

#include <set>
#include <string>
#include <string_view>

namespace penstock::work {

class Told {
 public:
  // Whether these words are new; after a thousand others they are so again.
  bool is_news(std::string_view words) {
    if (words_.size() >= kMost) words_.clear();
    return words_.emplace(words).second;
  }

 private:
  static constexpr size_t kMost = 1000;
  std::set<std::string> words_;
};

}  // namespace penstock::work
