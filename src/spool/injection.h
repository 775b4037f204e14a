// Putting a job file into a queue: nothing of it is visible before all of it is on disk (D13, D22).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "spool/new_file.h"
#include "spool/queue.h"
#include "spool/uuid.h"

namespace penstock::spool {

// A job file being written, by whoever: no lock is needed, and what it holds is not looked at. That
// it holds anything (D06) is for the caller to see to.
class Injection {
 public:
  // `number`, if it is known, is put into the job file's name.
  explicit Injection(const Queue& queue, std::optional<uint64_t> number = std::nullopt);

  int fd() const { return file_.fd(); }
  // The name that publish() will give it.
  const std::string& name() const { return name_; }
  // The number, for the name, where it is known only now.
  void set_number(uint64_t number) { name_ = job_file_name(number); }
  // Makes it a job and returns its name. Once this returns, the job survives a power cut.
  std::string publish();

 private:
  static NewFile create(const sys::Directory& jobs, const std::string& name);

  sys::Directory jobs_;
  std::string name_;
  NewFile file_;
};

// Removes those of `temporaries` (JobDirectory::list()) whose last byte was written longer than
// `age` before `now` (D22); returns their names.
std::vector<std::string> sweep_temporaries(const sys::Directory& jobs,
                                           const std::vector<std::string>& temporaries,
                                           const Timestamp& now,
                                           std::chrono::seconds age = std::chrono::hours(24));

// Half a file that somebody has left, or is writing just now: of a job in jobs/, or one of ours
// (.penstock-*.tmp) in the queue or its quarantine.
struct Temporary {
  std::string path;     // below the queue
  bool is_old = false;  // its last byte was written longer than `age` ago: nobody writes it
};
std::vector<Temporary> find_temporaries(const Queue& queue, const Timestamp& now,
                                        std::chrono::seconds age = std::chrono::hours(24));
// Removes one, durably; one that is gone already is fine.
void remove_temporary(const Queue& queue, const Temporary& file);

}  // namespace penstock::spool
