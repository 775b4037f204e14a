#include "doctor/pipe_bug.h"

#include <gtest/gtest.h>

namespace penstock::doctor {
namespace {

TEST(PipeBug, IsInTheseVersionsOnly) {
  for (const char* release : {"5.8.0", "5.10.209", "5.11", "5.15.148-generic", "5.16.0", "6.1.52",
                              "6.1.0-13-amd64", "6.2.0", "6.6.14", "6.7.0", "6.7.2", "6.7-rc8"}) {
    EXPECT_TRUE(kernel_has_lost_wakeup(release)) << release;
  }
  for (const char* release :
       {"4.19.0", "5.7.19", "5.10.210", "5.15.149", "6.1.76", "6.6.15", "6.7.3", "6.8.0", "6.18.44",
        "7.0", "", "6", "x.y", "-1.2", "99999999999999999999.1"}) {
    EXPECT_FALSE(kernel_has_lost_wakeup(release)) << release;
  }
}

}  // namespace
}  // namespace penstock::doctor
