// The page penstock-rules(7), made from the rules themselves: nobody has to keep two lists equal.
#pragma once

#include <string>

namespace penstock::doctor {

// In scdoc(5). man/penstock-rules.7.scd is this text; rules_page_test.cc compares, and writes the
// file anew where PENSTOCK_WRITE_PAGES is set.
std::string rules_page();

}  // namespace penstock::doctor
