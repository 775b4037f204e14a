// What a person does about jobs in the quarantine: put them back into the queue, or drop them.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "spool/quarantine.h"

namespace penstock::work {

// The jobs in `queue_dir`'s quarantine that `words` name by number or by file name; all if there
// are no words. Throws Error for a word that names none.
std::vector<spool::QuarantinedJob> quarantined_jobs(const std::string& queue_dir,
                                                    const std::vector<std::string>& words);

enum class SetNext { no, yes };
// Puts them back into jobs/ and, if told, the queue's number back to the lowest of them. In this
// order: the run record forgets them, the number, the files, and the record forgets the row that
// they stood in. Killed anywhere between, the queue waits for what is not back yet, and releasing
// again goes on from there.
void release(const std::string& queue_dir, const std::vector<std::string>& words, SetNext set_next);

// Removes them, each with its report, for good.
void drop(const std::string& queue_dir, const std::vector<std::string>& words);

}  // namespace penstock::work
