// Opening what lies in a directory where others may write, too. A symbolic link is followed only if
// we, root or the directory's owner have put it there: nobody else may say what we read, create or
// write to (D50). The kernel asks the same in its sticky directories (protected_symlinks).
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/error.h"
#include "sys/unique_fd.h"

namespace penstock::sys {

// `name` is one component, without a '/'. Close-on-exec, under whatever number is free. Nothing for
// a failure; errno tells why: ELOOP for a link that is not followed.
std::optional<UniqueFd> try_open_beneath(int directory, const std::string& name, int flags,
                                         mode_t mode = 0666);
// The same for a path, whose last component it is that must not be planted; at kLowestFd or above.
std::optional<UniqueFd> try_open_unplanted(const std::string& path, int flags, mode_t mode = 0666);

// After ELOOP: "symbolic link of uid 1000, which is not followed", or nothing if that is not why.
std::optional<std::string> planted_link(int directory, const std::string& name);
// The same for a path: throws.
void refuse_planted_link(const std::string& path);
// After a failure to open `path`: "open PATH: reason", or what planted_link() says.
Error open_error(const std::string& path);

}  // namespace penstock::sys
