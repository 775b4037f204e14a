#include "work/parameter_pattern.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace penstock::work {
namespace {

TEST(ParameterPattern, MustMatchFromTheFirstByteToTheLast) {
  const ParameterPattern names("[a-z]+");
  EXPECT_TRUE(names.matches("pool"));
  for (const char* text : {"", "-x", "pool;", " pool", "pool\n", "Pool", "a\nb"}) {
    EXPECT_FALSE(names.matches(text)) << text;
  }
}

TEST(ParameterPattern, TakesTheLongestAlternative) {
  const ParameterPattern either("a|ab|abc");
  EXPECT_TRUE(either.matches("abc"));
  EXPECT_TRUE(either.matches("ab"));
  EXPECT_FALSE(either.matches("abcd"));
  EXPECT_TRUE(ParameterPattern("^(a|b)$").matches("b"));
  EXPECT_FALSE(ParameterPattern("^(a|b)$").matches("bb"));
}

TEST(ParameterPattern, IsNotLeftByAParenthesis) {
  try {
    const ParameterPattern odd("a)|(.*");
    EXPECT_FALSE(odd.matches("--evil"));
  } catch (const Error&) {
    // refused: as good
  }
}

TEST(ParameterPattern, SeesEveryByte) {
  const ParameterPattern names("[a-z]*");
  EXPECT_FALSE(names.matches(std::string("abc\0--evil", 10)));
  EXPECT_FALSE(names.matches("\xc3\xa4"));
  EXPECT_TRUE(ParameterPattern(".*").matches("\xff\xfe\n"));
  EXPECT_TRUE(ParameterPattern("").matches(""));
}

TEST(ParameterPattern, KnowsClasses) {
  EXPECT_TRUE(ParameterPattern("[[:alnum:]_]+@[[:digit:]]{1,4}").matches("pool_1@2026"));
  EXPECT_TRUE(ParameterPattern("\\w+").matches("pool_1"));
  EXPECT_FALSE(ParameterPattern("\\w+").matches("pool-1"));
}

TEST(ParameterPattern, IsBoundedInMemoryAndTime) {
  EXPECT_TRUE(ParameterPattern("x" + std::string(70, '+')).matches("xx"));
  EXPECT_THROW(ParameterPattern("((x{1,255}){1,255}){1,255}"), Error);
  EXPECT_THROW(ParameterPattern("(a*)\\1"), Error);
  // Exponential where a matcher goes back, and a megabyte of parameter.
  EXPECT_FALSE(ParameterPattern("(a*)*b").matches(std::string(1 << 20, 'a')));
}

TEST(ParameterPattern, SaysWhyItIsNone) {
  EXPECT_THROW(ParameterPattern("["), Error);
  EXPECT_THROW(ParameterPattern("a\n["), Error);
  EXPECT_THROW(ParameterPattern("a{2,1}"), Error);
}

TEST(RefusedParameter, NamesTheFirstOneEscapedAndCut) {
  const ParameterPattern names("[a-z]+");
  EXPECT_EQ(refused_parameter(names, {}), std::nullopt);
  EXPECT_EQ(refused_parameter(names, {"a", "b"}), std::nullopt);
  EXPECT_EQ(refused_parameter(names, {"a", "\x1b[2J", "-x"}),
            "its parameter 2 is not one that --allow-job-params allows: '\\x1b[2J'");
  const auto cut = refused_parameter(names, {std::string(5000, '-')});
  ASSERT_TRUE(cut);
  EXPECT_LT(cut->size(), 200U);
}

}  // namespace
}  // namespace penstock::work
