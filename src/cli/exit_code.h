// Exit statuses of the program. The manual explains them: penstock(1), penstock-queue-process(1),
// penstock-run(1).
#pragma once

namespace penstock::cli {

// fspl's three. Without --detailed-exit all failures at run time are 1.
inline constexpr int kSuccess = 0;
inline constexpr int kFailure = 1;
inline constexpr int kUsage = 2;

// queue-process --detailed-exit. Here 1 means that a job failed. From 65 on they are those of
// <sysexits.h>.
inline constexpr int kGap = 3;      // also by --gap-status
inline constexpr int kSkipped = 4;  // also by --skipped-status
inline constexpr int kDelayed = 5;  // the next job waits for its next attempt (--retry-delay)
inline constexpr int kBadData =
    65;  // the next number's files contradict each other, or its file is damaged
inline constexpr int kNoInput = 66;      // no such queue, or not a queue
inline constexpr int kUnavailable = 69;  // command or decoder cannot be started
inline constexpr int kInputOutput = 74;  // reading or writing failed
inline constexpr int kBusy = 75;         // the lock is held: try again later

// run: a failed stage's own status comes first; these are Penstock's, as with timeout(1) and
// env(1).
inline constexpr int kTimedOut = 124;
inline constexpr int kOurFailure = 125;
inline constexpr int kCannotExecute = 126;
inline constexpr int kNotFound = 127;
inline constexpr int kSignalBase = 128;  // and the signal's number

}  // namespace penstock::cli
