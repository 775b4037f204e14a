#include "pipeline/verdict.h"

#include <algorithm>
#include <csignal>

#include "base/text.h"

namespace penstock::pipeline {

Verdict judge(std::span<const StageEnd> stages, std::span<const int> also_good, LastReader reader) {
  auto succeeded = [&](const sys::ExitStatus& status) {
    return status.success() ||
           (!status.was_killed() && std::ranges::find(also_good, status.code()) != also_good.end());
  };
  bool pending = false;
  for (size_t i = 0; i < stages.size(); ++i) {
    const StageEnd& stage = stages[i];
    if (!stage.status) {
      pending = true;
      continue;
    }
    if (succeeded(*stage.status)) continue;
    if (stage.status->was_killed_by(SIGPIPE)) {
      const bool is_last = i + 1 == stages.size();
      if (!is_last && !stages[i + 1].status) {
        pending = true;  // its reader will tell
        continue;
      }
      const bool reader_is_content =
          is_last ? reader == LastReader::ended_well : succeeded(*stages[i + 1].status);
      if (reader_is_content) continue;
    }
    return {.kind = Verdict::Kind::bad,
            .stage = i,
            .sentence = cat(stage.name, " ", stage.status->sentence())};
  }
  return {.kind = pending ? Verdict::Kind::pending : Verdict::Kind::good};
}

}  // namespace penstock::pipeline
