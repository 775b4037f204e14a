#include "spool/injection.h"

#include "base/error.h"
#include "base/text.h"
#include "sys/directory.h"
#include "sys/files.h"

namespace penstock::spool {

Injection::Injection(const Queue& queue, std::optional<uint64_t> number)
    : jobs_(queue.jobs_directory()), name_(job_file_name(number)), file_(create(jobs_, name_)) {}

NewFile Injection::create(const sys::Directory& jobs, const std::string& name) {
  try {
    return NewFile(jobs, cat("tmp-", name, ".tmp"));
  } catch (const Error& error) {
    throw Error(cat("cannot add a job to ", printable(jobs.path()), ": ", error.code().message()),
                error.code());
  }
}

std::string Injection::publish() {
  file_.publish(name_);
  return name_;
}

std::vector<std::string> sweep_temporaries(const sys::Directory& jobs,
                                           const std::vector<std::string>& temporaries,
                                           const Timestamp& now, std::chrono::seconds age) {
  std::vector<std::string> swept;
  for (const std::string& name : temporaries) {
    const auto status = jobs.status(name, sys::Links::keep);
    if (!status || !S_ISREG(status->st_mode)) continue;
    if (status->st_mtim.tv_sec < now.seconds - age.count() && jobs.remove(name))
      swept.push_back(name);
  }
  return swept;
}

std::vector<Temporary> find_temporaries(const Queue& queue, const Timestamp& now,
                                        std::chrono::seconds age) {
  const auto is_ours = [](std::string_view name) {
    return name.starts_with(".penstock-") && name.ends_with(".tmp");
  };
  std::vector<Temporary> found;
  for (const std::string below : {"", "jobs/", "penstock/quarantine/"}) {
    const std::string path = cat(queue.dir(), "/", below);
    if (!sys::status_of_path(path)) continue;
    const sys::Directory folder(path);
    folder.for_each_name([&](const char* name) {
      const bool is_job = below == "jobs/" && is_temporary_name(name);
      if (!is_job && !is_ours(name)) return;
      const auto status = folder.status(name, sys::Links::keep);
      if (!status || !S_ISREG(status->st_mode)) return;
      found.push_back(
          {.path = cat(below, name), .is_old = status->st_mtim.tv_sec < now.seconds - age.count()});
    });
  }
  return found;
}

void remove_temporary(const Queue& queue, const Temporary& file) {
  const std::string name(base_name(file.path));
  const sys::Directory folder(
      cat(queue.dir(), "/", file.path.substr(0, file.path.size() - name.size())));
  folder.remove(name);
  folder.sync();
}

}  // namespace penstock::spool
