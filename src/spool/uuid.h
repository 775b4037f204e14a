// Random names, as fspl makes them.
#pragma once

#include <string>

namespace penstock::spool {

// A random UUID (version 4), lower case.
std::string uuid_v4();
// fspl-UUID.fspl
std::string job_file_name();

}  // namespace penstock::spool
