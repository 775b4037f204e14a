// What `penstock doctor --self` needs to know of this machine.
#pragma once

#include "doctor/self_check.h"

namespace penstock::cli {

// Takes up to about 2 s: the pipe bug is provoked in a child.
doctor::SelfFacts gather_self_facts();

}  // namespace penstock::cli
