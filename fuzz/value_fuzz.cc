// The values of options, which come from scripts, and those from variables and files. The first
// byte chooses what the text is to be, the next ones the limits.
#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/text.h"
#include "cli/value.h"
#include "work/parameter_pattern.h"

namespace {

using namespace penstock;
using namespace penstock::cli;

void require(bool truth) {
  if (!truth) std::abort();
}

bool is_one_clean_line(std::string_view text) {
  return is_utf8(text) &&
         std::ranges::none_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

bool within(const Option& option, uint64_t number) {
  return number >= option.min && number <= option.max;
}

// What was accepted means something within the limits.
void check_accepted(const Option& option, std::string_view text) {
  switch (option.value) {
    case Value::text:
      break;
    case Value::filled:
      require(!text.empty());
      break;
    case Value::number:
    case Value::seconds:
      require(within(option, parse_u64(text).value()));
      break;
    case Value::interval:
      require(within(option, static_cast<uint64_t>(parse_interval(text).value().count())));
      break;
    case Value::choice:
      require(
          std::string_view(option.value_name).find(find_choice(option.value_name, text).value()) !=
          std::string_view::npos);
      break;
    case Value::statuses: {
      const std::vector<int> statuses = parse_statuses(text).value();
      require(std::ranges::all_of(statuses, [](int one) { return one >= 1 && one <= 255; }));
      break;
    }
    case Value::level:
      require(parse_log_level(text).has_value());
      break;
    case Value::size: {
      const uint64_t size = parse_size(text).value();
      require(size == kMaxSize || within(option, size));
      require(parse_size(cat(size)) == size);
      break;
    }
    case Value::pattern: {
      const work::ParameterPattern pattern{std::string(text)};
      static_cast<void>(pattern.matches("tank/a@1"));
      static_cast<void>(pattern.matches(std::string(1000, 'a')));
      break;
    }
    case Value::delays: {
      const Delays delays = parse_delays(text).value();
      require(delays.least.count() >= 0 && delays.least <= delays.most);
      require(within(option, static_cast<uint64_t>(delays.least.count())) &&
              within(option, static_cast<uint64_t>(delays.most.count())));
      require(parse_delays(cat(delays.most.count(), "s")).has_value() ||
              delays.most.count() > INT32_MAX);
      break;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const std::string text(reinterpret_cast<const char*>(data + 3), size - 3);
  Option option = {.name = "x", .value_name = "Retry|Delete|Leave"};
  option.value = static_cast<Value>(data[0] % 11);
  option.min = data[1];
  option.max = data[2] == 0 ? UINT64_MAX : option.min + (uint64_t{1} << data[2] % 63);
  const auto problem = value_problem(option, text);
  if (!problem) check_accepted(option, text);
  if (problem) require(!problem->empty() && is_one_clean_line(*problem));
  return 0;
}
