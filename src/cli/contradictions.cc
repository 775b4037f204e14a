#include "cli/contradictions.h"

#include <array>
#include <utility>

#include "base/text.h"
#include "cli/value.h"

namespace penstock::cli {

namespace {

struct Given {
  const char* option = nullptr;
  const char* value = nullptr;  // null: any, or a flag
};

struct Contradiction {
  Given one;
  Given other;
  const char* why = nullptr;
  Given unless = {};  // no option: never
};

constexpr auto kContradictions = std::to_array<Contradiction>({
    {{"stdin", "file"}, {"decoder"}, "what a decoder gives is a pipe", {"verify", "before"}},
    {{"stdin", "file"}, {"gate", "hold"}, "nothing can be kept from a command that has the file"},
    {{"stdin", "file"}, {"gate", "eof"}, "nothing can be kept from a command that has the file"},
    {{"stdin", "file"}, {"ignore-payload"}, "the command gets either the one or /dev/null"},
    {{"verify", "before"}, {"ignore-payload"}, "a payload that is not read is not verified"},
    {{"max-payload"}, {"ignore-payload"}, "a payload that is not read is not measured"},
    {{"require-seal"}, {"ignore-payload"}, "a payload that is not read is not checked"},
    {{"require-signature"}, {"ignore-payload"}, "a payload that is not read is not checked"},
    {{"capture-stderr"}, {"output-to", "SaveBoth"}, "its stderr goes to a file already"},
    {{"remove-old"}, {"never-delete"}, "files that are kept are old once the number has moved on"},
    {{"retry-delay"}, {"on-error", "Delete"}, "a job that is removed is not tried again"},
    {{"retry-delay"}, {"on-error", "Leave"}, "a job that is passed over is not tried again"},
    {{"remove-old"}, {"order-by", "Timestamp"}, "without a next number no file is old"},
    {{"follow"}, {"order-by", "Timestamp"}, "a job that comes late would run after later ones"},
    {{"follow"}, {"maxjobs"}, "it goes on until a signal comes"},
    {{"follow"}, {"lock-wait"}, "it tries again every 2 seconds"},
    {{"follow"}, {"no-rescan"}, "it looks again and again"},
});

constexpr auto kNeeds = std::to_array<std::pair<const char*, const char*>>({
    {"require-signature", "trust"},
    {"queue-name", "trust"},
    {"for", "sign"},
    {"for", "key"},
});

bool is_given(const Arguments& arguments, const Given& given) {
  if (!arguments.knows(given.option) || !arguments.has(given.option)) return false;
  return given.value == nullptr || equal_ignoring_case(*arguments.value(given.option), given.value);
}

std::string words_of(const Given& given) {
  return given.value == nullptr ? cat("--", given.option)
                                : cat("--", given.option, " ", given.value);
}

}  // namespace

std::optional<std::string> contradiction_in(const Arguments& arguments) {
  for (const Contradiction& pair : kContradictions) {
    if (!is_given(arguments, pair.one) || !is_given(arguments, pair.other)) continue;
    if (pair.unless.option != nullptr && is_given(arguments, pair.unless)) continue;
    return cat(words_of(pair.one), " and ", words_of(pair.other),
               " exclude each other: ", pair.why);
  }
  // Whoever gives a number of attempts and gets only one would lose a job by it.
  if (is_given(arguments, {"max-attempts"}) &&
      !equal_ignoring_case(*arguments.value("on-error"), "quarantine")) {
    return "--max-attempts counts only with --on-error quarantine";
  }
  if (is_given(arguments, {"quarantine-limit"}) &&
      !equal_ignoring_case(*arguments.value("on-error"), "quarantine")) {
    return "--quarantine-limit counts only with --on-error quarantine";
  }
  if (is_given(arguments, {"sandbox-write"}) && !is_given(arguments, {"sandbox"})) {
    return "--sandbox-write counts only with --sandbox";
  }
  for (const auto& [option, needed] : kNeeds) {
    if (is_given(arguments, {option}) && arguments.knows(needed) && !arguments.has(needed))
      return cat("--", option, " counts only with --", needed);
  }
  return std::nullopt;
}

}  // namespace penstock::cli
