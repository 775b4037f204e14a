// What is said once by a row of runs, and not by each of them: --follow.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string_view>

#include "base/fnv.h"

namespace penstock::work {

// After so many other words, words are news again.
inline constexpr size_t kMostTold = 1000;

// What a forked copy has said, for the original to take over: in memory that they share.
struct ToldNotes {
  std::atomic<size_t> count{0};
  std::array<uint64_t, kMostTold> words;  // not a page of it is touched before it is needed
};

class Told {
 public:
  // Whether these words are new.
  bool is_news(std::string_view words) {
    const uint64_t word = fnv1a(words);
    if (!remember(word)) return false;
    if (notes_ != nullptr && notes_->count < kMostTold) {
      notes_->words.at(notes_->count) = word;
      ++notes_->count;
    }
    return true;
  }

  // From here on what is new is noted in `notes` (borrowed), too.
  void note_in(ToldNotes& notes) { notes_ = &notes; }
  void take_over(const ToldNotes& notes) {
    for (size_t i = 0; i < notes.count; ++i) remember(notes.words.at(i));
  }

 private:
  bool remember(uint64_t word) {
    if (words_.size() >= kMostTold) words_.clear();
    return words_.insert(word).second;
  }

  std::set<uint64_t> words_;
  ToldNotes* notes_ = nullptr;
};

}  // namespace penstock::work
