// How much pipe memory we take. The limit is the user's, over all his processes (R07 in
// docs/diagnosis): we keep under half of it. Root has none.
#pragma once

#include <cstddef>

namespace penstock::pipeline {

class PipeBudget {
 public:
  PipeBudget();

  // Makes the pipe `bytes` large if budget and kernel allow. Only for a pipe that nobody else has
  // seen yet. Returns the size that it has afterwards.
  size_t enlarge(int fd, size_t bytes);
  // We are one of so many processes of this user that take as much.
  void share_among(size_t processes);
  // What enlarge() took is free again.
  void give_back(size_t bytes);

 private:
  size_t limit_ = 0;  // 0: none
  size_t taken_ = 0;
};

}  // namespace penstock::pipeline
