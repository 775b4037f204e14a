// The content of a sequence file, which people edit: read, explained, and overwritten.
#include <algorithm>
#include <cstdlib>
#include <string>

#include "base/text.h"
#include "spool/sequence_text.h"

namespace {

using namespace penstock;
using namespace penstock::spool;

void require(bool truth) {
  if (!truth) std::abort();
}

std::string after(std::string content, const std::vector<SequenceStep>& steps) {
  using Kind = SequenceStep::Kind;
  for (const SequenceStep& step : steps) {
    if (step.kind == Kind::truncate) content.resize(step.offset);
    if (step.kind != Kind::write) continue;
    require(step.offset <= content.size());
    content.replace(step.offset, step.text.size(), step.text);
  }
  return content;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto number = parse_sequence(text);
  if (number) {
    // What is behind the first line does not matter, and what is written is read.
    require(parse_sequence(text.substr(0, text.find('\n'))) == number);
    require(parse_sequence(cat(*number, "\n")) == number);
    if (*number < UINT64_MAX) {
      require(after(text, commit_steps(size, successor(*number))) == cat(successor(*number), "\n"));
    }
  } else {
    const std::string problem = sequence_problem(text);
    require(problem.size() < 300 && is_utf8(problem));
    require(std::ranges::none_of(problem, [](unsigned char c) { return c < 0x20 || c == 0x7f; }));
  }
  require(after(text, commit_steps(size, 7)) == "7\n");
  return 0;
}
