#include "spool/injection.h"

#include "base/error.h"
#include "base/text.h"
#include "spool/uuid.h"

namespace penstock::spool {

Injection::Injection(const Queue& queue)
    : jobs_(queue.jobs_path()), name_(job_file_name()), file_(jobs_, cat("tmp-", name_, ".tmp")) {}

std::string Injection::publish() {
  file_.publish(name_);
  return name_;
}

bool is_temporary_name(std::string_view name) {
  return name.starts_with("tmp-") && name.ends_with(".fspl.tmp");
}

std::vector<std::string> sweep_temporaries(const Queue& queue, const Timestamp& now,
                                           std::chrono::seconds age) {
  const sys::Directory jobs(queue.jobs_path());
  std::vector<std::string> old;
  jobs.for_each_name([&](const char* name) {
    if (!is_temporary_name(name)) return;
    const auto status = jobs.status(name, sys::Links::keep);
    if (!status || !S_ISREG(status->st_mode)) return;
    if (status->st_mtim.tv_sec < now.seconds - age.count()) old.emplace_back(name);
  });
  std::erase_if(old, [&](const std::string& name) { return !jobs.remove(name); });
  return old;
}

}  // namespace penstock::spool
