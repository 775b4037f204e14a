#include "cli/doctor_scope.h"

#include <gtest/gtest.h>

#include "doctor/testing/staged.h"

namespace penstock::cli {
namespace {

using Pids = std::set<pid_t>;

// An interactive shell, 100, with a pipeline in the background and the doctor piped into a pager.
class DoctorScopeTest : public testing::Test {
 protected:
  DoctorScopeTest() {
    stage_.process(100, "bash").session(100).waiting_for_child();
    stage_.process(101, "sleep").session(100).parent(100).stdout_pipe(10).sleeping();
    stage_.process(102, "cat").session(100).parent(100).stdin_pipe(10).reading(0);
    stage_.process(200, "penstock").session(100).parent(100).stdout_pipe(11).running();
    stage_.process(201, "grep").session(100).parent(100).stdin_pipe(11).stdout_pipe(12).reading(0);
    stage_.process(202, "less").session(100).parent(100).stdin_pipe(12).reading(0);
  }

  doctor::testing::Staged stage_;
};

TEST_F(DoctorScopeTest, LeavesOutTheDoctorItsShellAndItsReaders) {
  EXPECT_EQ(choose_others({.session = 100}, stage_.now(), 200), (Pids{101, 102}));
  EXPECT_EQ(choose_others({.all = true}, stage_.now(), 200), (Pids{101, 102}));
}

TEST_F(DoctorScopeTest, KeepsWhoeverWasNamed) {
  const Pids chosen = choose_others({.pids = {100, 202}}, stage_.now(), 200);
  EXPECT_TRUE(chosen.contains(100));
  EXPECT_TRUE(chosen.contains(202));
  EXPECT_FALSE(chosen.contains(200));
}

}  // namespace
}  // namespace penstock::cli
