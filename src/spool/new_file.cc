#include "spool/new_file.h"

#include <fcntl.h>

#include "base/error.h"
#include "base/text.h"
#include "sys/files.h"

namespace penstock::spool {

NewFile::NewFile(const sys::Directory& directory, std::string temporary, mode_t mode)
    : directory_(directory) {
  if (auto unnamed = directory.try_create_unnamed(mode)) {
    fd_ = std::move(*unnamed);
    return;
  }
  auto named = directory.try_open(temporary, O_WRONLY | O_CREAT | O_EXCL, mode);
  if (!named) {
    throw Error::from_errno(cat("create ", printable(directory.path()), "/", printable(temporary)));
  }
  fd_ = std::move(*named);
  temporary_ = std::move(temporary);
}

NewFile::~NewFile() {
  if (temporary_.empty()) return;
  try {
    directory_.remove(temporary_);
  } catch (const Error&) {  // nobody to tell; sweep_temporaries() comes back to it
  }
}

void NewFile::publish(const std::string& name) {
  sys::sync_file(fd_.get(), cat(printable(directory_.path()), "/", printable(name)));
  if (temporary_.empty()) {
    directory_.link(fd_.get(), name);
  } else {
    directory_.rename_to_free_name(temporary_, directory_, name);
    temporary_.clear();
  }
  try {
    directory_.sync();
  } catch (const Error&) {
    // It may or may not survive, and whoever hears of an error will try again: absent, then.
    try {
      directory_.remove(name);
    } catch (const Error&) {  // the first error is the one to tell
    }
    throw;
  }
}

}  // namespace penstock::spool
