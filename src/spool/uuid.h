// Random names, as fspl makes them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace penstock::spool {

// A random UUID (version 4), lower case.
std::string uuid_v4();
// fspl-UUID.fspl, or fspl-UUID-NUMBER.fspl.
std::string job_file_name(std::optional<uint64_t> number = std::nullopt);
// What job_file_name() has put there; nothing for any other name. A hint only: anybody can make
// such a name.
std::optional<uint64_t> number_in_name(std::string_view name);

}  // namespace penstock::spool
