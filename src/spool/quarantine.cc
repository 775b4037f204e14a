#include "spool/quarantine.h"

#include <climits>
#include <cstdlib>
#include <memory>

#include "base/error.h"
#include "base/text.h"
#include "spool/new_file.h"
#include "spool/uuid.h"
#include "sys/directory.h"
#include "sys/files.h"

namespace penstock::spool {

namespace {

constexpr std::string_view kReportSuffix = ".report";

sys::Directory open_folder(const Queue& queue) {
  const std::string path = queue.private_path() + "/quarantine";
  if (sys::make_directory(queue.private_path(), 0700)) sys::Directory(queue.dir()).sync();
  if (sys::make_directory(path, 0700)) sys::Directory(queue.private_path()).sync();
  return sys::Directory(path);
}

bool is_same(const sys::Directory& folder, const std::string& name, const FileIdentity& id) {
  const auto status = folder.status(name, sys::Links::follow);
  return status && FileIdentity::of(*status).same_file(id);
}

bool is_free(const sys::Directory& folder, const std::string& name) {
  return name.size() <= NAME_MAX && !folder.status(name, sys::Links::keep);
}

// A symbolic link would lead elsewhere from another folder, so its end is linked to instead.
std::string end_of_link(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> end(::realpath(path.c_str(), nullptr), std::free);
  if (!end) throw Error::from_errno(cat("resolve ", printable(path)));
  return end.get();
}

void move_aside(const Queue& queue, const sys::Directory& jobs, const std::string& name,
                const sys::Directory& folder, const std::string& target) {
  const auto status = jobs.status(name, sys::Links::keep);
  if (status && S_ISLNK(status->st_mode)) {
    folder.make_symlink(end_of_link(queue.job_path(name)), target);
    return;
  }
  try {
    jobs.link_name(name, folder, target);
  } catch (const Error& error) {
    // No hard links here, too many of them, or not to a file of another user
    // (fs.protected_hardlinks).
    if (error.is(EEXIST) || error.is(ENOENT)) throw;
    jobs.rename_to_free_name(name, folder, target);
    jobs.sync();
  }
}

}  // namespace

std::string quarantine(const Queue& queue, const std::string& name, const FileIdentity& id,
                       std::string_view report) {
  const sys::Directory jobs(queue.jobs_path());
  if (!is_same(jobs, name, id)) {
    throw Error(cat(printable(queue.job_path(name)), " is no longer the file that failed"));
  }
  const sys::Directory folder = open_folder(queue);
  if (is_same(folder, name, id)) return name;  // by a run that was killed before it committed
  const bool own_name = is_free(folder, name) && is_free(folder, cat(name, kReportSuffix));
  const std::string target = own_name ? name : job_file_name();
  const std::string report_name = cat(target, kReportSuffix);
  NewFile file(folder, cat(".penstock-", uuid_v4(), ".tmp"), 0600);
  sys::write_all(file.fd(), report, printable(report_name));
  file.publish(report_name);
  try {
    move_aside(queue, jobs, name, folder, target);
  } catch (const Error& error) {
    folder.remove(report_name);
    throw error.with(cat("quarantine ", printable(name)));
  }
  folder.sync();
  return target;
}

}  // namespace penstock::spool
