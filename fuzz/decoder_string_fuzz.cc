// Decoder strings come from users and their scripts. No input may crash the planner, and what it
// claims to have seen through must be runnable and mean the same when written out and read again.
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "pipeline/decoder_string.h"

using penstock::pipeline::DecoderPlan;
using penstock::pipeline::describe;
using penstock::pipeline::plan_decoder;
using penstock::pipeline::Redirect;
using penstock::pipeline::ShellEnvironment;
using penstock::pipeline::StageSpec;

namespace {

constexpr auto npos = std::string_view::npos;

void check_stage(const StageSpec& stage) {
  assert(!stage.argv.empty() && !stage.argv.front().empty());
  for (const auto& word : stage.argv) assert(word.find('\0') == npos);
  for (const Redirect& redirect : stage.redirects) {
    assert(redirect.fd >= 0 && redirect.fd <= 9 && redirect.from_fd <= 9);
    assert((redirect.mode == Redirect::Mode::duplicate) == (redirect.from_fd >= 0));
    assert(redirect.path.empty() == (redirect.from_fd >= 0));
  }
}

void check(std::string_view text, const ShellEnvironment& environment) {
  const DecoderPlan plan = plan_decoder(text, environment);
  assert(!plan.stages.empty() && !plan.description.empty());
  for (const StageSpec& stage : plan.stages) check_stage(stage);
  if (!plan.seen_through) {
    assert(plan.stages.size() == 1 && plan.stages.front().opaque);
    assert(plan.stages.front().argv.back() == text);
    return;
  }
  assert(!plan.pipefail);
  const DecoderPlan again = plan_decoder(describe(plan.stages), environment);
  assert(again.seen_through && again.stages == plan.stages);
  assert(again.hides_a_pipe == plan.hides_a_pipe && again.description == plan.description);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.find('\0') != npos) return 0;
  check(text, {});
  check(text, {.shell = "/bin/ksh", .ksh_env = true, .exported_functions = {"a"}});
  check(text, {.shell = "/bin/fish"});
  return 0;
}
