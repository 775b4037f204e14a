// What a run says of the jobs that it leaves, and why it leaves them.
#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "spool/quarantine.h"
#include "sys/exit_status.h"
#include "work/drain.h"

namespace penstock::work {

using spool::ScannedJob;

namespace {

std::string skipped_files(size_t count, const Decoding& decoding) {
  return cat(count, count == 1 ? " file" : " files", " could not be read",
             decoding.trust ? " or trusted" : "");
}

// As far as we may look: it only decides what is advised.
bool is_in_quarantine(const std::string& queue_dir, uint64_t number) {
  try {
    const auto jobs = spool::quarantined_jobs(spool::Queue(queue_dir));
    return std::ranges::any_of(
        jobs, [&](const auto& job) { return job.report && job.report->number == number; });
  } catch (const Error&) {
    return false;
  }
}

// What to do about a number that will never come.
std::string advice_on(const spool::Gap& gap, const DrainSettings& settings) {
  if (is_in_quarantine(settings.queue_dir, gap.waiting_for)) {
    return cat("it is in the quarantine: `penstock quarantine-release -q ",
               printable(shell_quote(settings.queue_dir)), " ", gap.waiting_for, "` puts it back");
  }
  const bool only_signed = settings.decoding.trust && settings.decoding.trust->is_required();
  const char* options = only_signed                 ? " --sign KEYFILE"
                        : settings.job.require_seal ? " --seal"
                                                    : "";
  return cat("if it will never come, add what `penstock prepare-nop --fill ", gap.waiting_for,
             options, "` makes", only_signed ? " where the key is" : "",
             settings.decoding.plan ? ", encoded as the others are" : "",
             ", or go on without it: `penstock queue-set-next -q ",
             printable(shell_quote(settings.queue_dir)), " ", gap.first.number, "`");
}

}  // namespace

std::string title_of(const ScannedJob& job) {
  return cat("job ", job.number, " (", printable(job.name), ")");
}

void Drain::inform(const std::string& line, const std::string& news) const {
  if (settings_.told == nullptr || settings_.told->is_news(news)) Log::info(line);
}

void Drain::tell_what_waits() {
  if (const auto signal = interruption_->signal()) {
    tell_interruption(*signal);
    return;
  }
  const bool stopped = settings_.max_jobs && end_.done >= *settings_.max_jobs;
  const auto gap = sequence_ && !stopped ? set_.gap(next_) : std::nullopt;
  end_.gap = gap.has_value();
  if (!gap) {
    // In a row of runs each file was named when it was skipped for the first time.
    if (end_.skipped > 0 && settings_.told == nullptr)
      Log::info(cat(skipped_files(end_.skipped, settings_.decoding),
                    end_.skipped == 1 ? " and was" : " and were", " left alone"));
    return;
  }
  if (settings_.told != nullptr && !settings_.told->is_news(cat("gap ", next_))) return;
  std::string line = gap->sentence();
  if (const size_t guesses = set_.first_guesses(SIZE_MAX).size(); guesses > 0)
    line += cat(", of ", guesses, " of them only the name was read");
  line += cat("; ", advice_on(*gap, settings_));
  if (end_.skipped > 0)
    line += cat("; ", skipped_files(end_.skipped, settings_.decoding), ", and job ", next_,
                " may be among them");
  Log::info(line);
}

void Drain::tell_interruption(int signal) const {
  if (settings_.told != nullptr && !cut_short_) return;  // whoever follows says it
  Log::error(
      cat("ended by ", sys::signal_name(signal), "; ",
          cut_short_ ? cat(*cut_short_, " was running and will run again") : "no job was running"));
}

}  // namespace penstock::work
