#include "spool/quarantine.h"

#include <fcntl.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <memory>
#include <tuple>

#include "base/error.h"
#include "base/text.h"
#include "spool/job_directory.h"
#include "spool/new_file.h"
#include "spool/uuid.h"
#include "sys/beneath.h"
#include "sys/directory.h"
#include "sys/files.h"

namespace penstock::spool {

namespace {

constexpr std::string_view kReportSuffix = ".report";
constexpr size_t kMaxReportBytes = 1UL << 20U;  // ours have some 10 KiB

std::string folder_path(const Queue& queue) {
  return queue.private_path() + "/quarantine";
}

sys::Directory open_folder(const Queue& queue) {
  const std::string path = folder_path(queue);
  if (sys::make_directory(queue.private_path(), 0700)) sys::Directory(queue.dir()).sync();
  sys::refuse_planted_link(queue.private_path());
  if (sys::make_directory(path, 0700)) sys::Directory(queue.private_path()).sync();
  sys::refuse_planted_link(path);
  return sys::Directory(path);
}

// Of the regular file that a name leads to; nothing for whatever else lies there, loops of links
// among it.
std::optional<struct stat> job_status(const sys::Directory& folder, const std::string& name) {
  try {
    auto status = folder.status(name, sys::Links::follow);
    if (status && S_ISREG(status->st_mode)) return status;
  } catch (const Error&) {  // it is nobody's job then
  }
  return std::nullopt;
}

bool is_same(const sys::Directory& folder, const std::string& name, const FileIdentity& id) {
  const auto status = job_status(folder, name);
  return status && FileIdentity::of(*status).same_file(id);
}

// Its own name, or the one that it got because its own was taken.
std::optional<std::string> find_same(const sys::Directory& folder, const std::string& name,
                                     const FileIdentity& id) {
  if (is_same(folder, name, id)) return name;
  std::optional<std::string> found;
  folder.for_each_name([&](const char* other) {
    if (is_job_name(other) && is_same(folder, other, id)) found = other;
  });
  return found;
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

bool is_report_or_free(const sys::Directory& folder, const std::string& name) {
  if (name.size() > NAME_MAX) return false;
  const auto status = folder.status(name, sys::Links::keep);
  return !status || S_ISREG(status->st_mode);
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
    // The name that it has now before the one that it had: in between it would have none.
    folder.sync();
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
  // By a run that was cut short before it committed.
  if (const auto there = find_same(folder, name, id)) return *there;
  const bool own_name =
      is_free(folder, name) && is_report_or_free(folder, cat(name, kReportSuffix));
  const std::string target = own_name ? name : job_file_name();
  const std::string report_name = cat(target, kReportSuffix);
  // One without its job: the power failed between the two.
  if (folder.status(report_name, sys::Links::keep)) folder.remove(report_name);
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

std::optional<std::string> find_quarantined(const Queue& queue, uint64_t inode) {
  const std::string path = folder_path(queue);
  if (!sys::status_of_path(path)) return std::nullopt;
  const sys::Directory folder(path);
  std::optional<std::string> found;
  folder.for_each_name([&](const char* name) {
    if (!is_job_name(name)) return;
    const auto status = job_status(folder, name);
    if (status && status->st_ino == inode) found = name;
  });
  if (found) {
    folder.sync();
    queue.jobs().sync();
  }
  return found;
}

std::vector<QuarantinedJob> quarantined_jobs(const Queue& queue) {
  std::vector<QuarantinedJob> found;
  const std::string path = folder_path(queue);
  if (!sys::status_of_path(path)) return found;
  const sys::Directory folder(path);
  folder.for_each_name([&](const char* name) {
    if (!is_job_name(name)) return;
    if (const auto status = job_status(folder, name))
      found.push_back({.name = name, .id = FileIdentity::of(*status)});
  });
  for (QuarantinedJob& job : found) job.report = decode_quarantine_report(read_report(queue, job));
  std::ranges::sort(found, {}, [](const QuarantinedJob& job) {
    return std::tuple(!job.report, job.report ? job.report->number : 0, job.name);
  });
  return found;
}

std::string read_report(const Queue& queue, const QuarantinedJob& job) {
  const sys::Directory folder(folder_path(queue));
  const std::string name = cat(job.name, kReportSuffix);
  // O_NONBLOCK: whatever lies there must not be waited for.
  const auto fd = folder.try_open(name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY);
  if (!fd || !S_ISREG(sys::status_of(fd->get(), printable(name)).st_mode)) return "";
  return sys::read_small_file(fd->get(), kMaxReportBytes, printable(name));
}

std::string put_back(const Queue& queue, const QuarantinedJob& job) {
  const sys::Directory jobs(queue.jobs_path());
  const sys::Directory folder(folder_path(queue));
  if (!is_same(folder, job.name, job.id)) {
    throw Error(cat(printable(job.name), " is no longer in ", printable(folder.path())));
  }
  std::string target = job.name;
  if (is_same(jobs, job.name, job.id)) {
    jobs.sync();
    folder.remove(job.name);
  } else {
    if (jobs.status(target, sys::Links::keep)) target = job_file_name();
    folder.rename_to_free_name(job.name, jobs, target);
    jobs.sync();
  }
  folder.sync();
  // Last, and not needed any more: a report without its job is nothing to anybody.
  folder.remove(cat(job.name, kReportSuffix));
  return target;
}

void drop_quarantined(const Queue& queue, const QuarantinedJob& job) {
  const sys::Directory folder(folder_path(queue));
  if (!is_same(folder, job.name, job.id)) {
    throw Error(cat(printable(job.name), " is no longer in ", printable(folder.path())));
  }
  // By a run that was killed on the way: it would run all the same.
  const sys::Directory jobs(queue.jobs_path());
  jobs.for_each_name([&](const char* name) {
    if (is_job_name(name) && is_same(jobs, name, job.id)) {
      throw Error(cat(printable(job.name), " is in ", printable(jobs.path()),
                      " as well, and would run: start a run first, which finishes what one that ",
                      "was killed has begun"));
    }
  });
  folder.remove(job.name);
  folder.sync();
  folder.remove(cat(job.name, kReportSuffix));
}

}  // namespace penstock::spool
