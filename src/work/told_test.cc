#include "work/told.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace penstock::work {
namespace {

TEST(Told, TheSameWordsAreNewsOnce) {
  Told told;
  EXPECT_TRUE(told.is_news("a file is skipped"));
  EXPECT_FALSE(told.is_news("a file is skipped"));
  EXPECT_TRUE(told.is_news("another file is skipped"));
}

TEST(Told, WhatACopyHasSaidIsNoNewsForTheNextOne) {
  const auto notes = std::make_unique<ToldNotes>();
  Told told;
  told.is_news("known before");
  Told copy = told;
  copy.note_in(*notes);
  EXPECT_FALSE(copy.is_news("known before"));
  EXPECT_TRUE(copy.is_news("new"));
  EXPECT_EQ(notes->count, 1U);
  told.take_over(*notes);
  EXPECT_FALSE(told.is_news("new"));
}

TEST(Told, ACopyThatSaysMoreThanIsRememberedNotesWhatItCan) {
  const auto notes = std::make_unique<ToldNotes>();
  Told told;
  told.note_in(*notes);
  for (size_t i = 0; i < 3 * kMostTold; ++i) EXPECT_TRUE(told.is_news(std::to_string(i)));
  EXPECT_EQ(notes->count, kMostTold);
}

}  // namespace
}  // namespace penstock::work
