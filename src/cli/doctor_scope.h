// Whom `penstock doctor` looks at, by its options; never this process, nor who only waits for it.
#pragma once

#include <set>

#include "cli/args.h"
#include "doctor/diagnose.h"
#include "procfs/snapshot.h"

namespace penstock::cli {

// Throws Error where there is no such process, queue or running job.
doctor::Scope doctor_scope(const Arguments& arguments);

class DoctorView {
 public:
  explicit DoctorView(doctor::Scope scope) : scope_(std::move(scope)) {}

  // A look at the same as before, and at who has come since; after `earlier`, if that is given.
  // This process is not in it.
  procfs::Snapshot look(const procfs::Snapshot* earlier = nullptr);
  // Of the processes that were named, those that are there; all_gone if there were some.
  std::vector<doctor::ProcessId> named(const procfs::Snapshot& now) const;
  bool all_gone(const procfs::Snapshot& now) const;

 private:
  doctor::Scope scope_;
  std::set<pid_t> looked_at_;
};

// For --self: everybody.
procfs::Snapshot look_at_all();

// choose() without us, without those above us who wait for us to end, and without those who read
// what we print; unless they were named.
std::set<pid_t> choose_others(const doctor::Scope& scope, const procfs::Snapshot& table,
                              pid_t ourselves);

}  // namespace penstock::cli
