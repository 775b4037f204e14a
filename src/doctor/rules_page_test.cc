#include "doctor/rules_page.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "doctor/rule.h"

namespace penstock::doctor {
namespace {

constexpr const char* kPage = PENSTOCK_SOURCE_DIR "/man/penstock-rules.7.scd";

TEST(RulesPage, IsTheOneInTheManual) {
  const std::string page = rules_page();
  if (std::getenv("PENSTOCK_WRITE_PAGES") != nullptr) std::ofstream(kPage) << page;
  std::stringstream committed;
  committed << std::ifstream(kPage).rdbuf();
  EXPECT_EQ(committed.str(), page) << "write it anew: PENSTOCK_WRITE_PAGES=1 doctor_test";
}

TEST(RulesPage, HasEveryRuleOfTheCatalogue) {
  const std::string page = rules_page();
  size_t count = 0;
  for (int number = 1; number <= 51; ++number) {
    if (number == 5 || number == 41) continue;  // not used
    const std::string id = (number < 10 ? "R0" : "R") + std::to_string(number);
    const Rule* rule = find_rule(id);
    ASSERT_NE(rule, nullptr) << id;
    EXPECT_NE(page.find("\n## " + id + " "), std::string::npos) << id;
    for (const char* text : {rule->info.name, rule->info.signature, rule->info.sentence,
                             rule->info.advice, rule->info.reference}) {
      EXPECT_TRUE(text != nullptr && *text != '\0') << id;
    }
    ++count;
  }
  EXPECT_EQ(all_rules().size(), count);
}

}  // namespace
}  // namespace penstock::doctor
