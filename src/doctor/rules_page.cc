#include "doctor/rules_page.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "doctor/rule.h"

namespace penstock::doctor {

namespace {

constexpr std::string_view kHead = R"(penstock-rules(7)

; Made from src/doctor/rules_*.cc by rules_page(); do not edit.

# NAME

penstock-rules - what penstock doctor recognises

# DESCRIPTION

*penstock doctor* looks at a pipeline twice and believes only what is the same both
times. It draws who waits for whom, and then asks these rules, one after the other.
Each finding names its rule, so that its meaning can be looked up here; *Seen by*
says what must hold in both looks, *Known from* where the case has been met (a
name with \# is an issue of that project on GitHub).

The culprit is the one who waits for nobody else; all who wait for him, directly or
through others, are his victims. What could not be seen is said to be unknown, never
to be well.

# REMEDIES

A remedy has a step. Nothing is applied unless it is asked for.

*H0*
	Wait, or do by hand what is said.

*H1*
	Nudge: the pipe is given the size that it has. That wakes one writer asleep on
	it, and touches no byte.

*H2*
	Close a leaked end of our own. Never done from outside.

*H3*
	End the process that holds an end (SIGTERM).

*H4*
	Stop and continue a writer. It may write less than it meant to; never done to
	zfs and btrfs (R46).

*H5*
	End the whole pipeline; the job stays and can be run again.
)";

constexpr std::string_view kFoot = R"(
# SEE ALSO

*penstock*(1), *pipe*(7), *fifo*(7)
)";

struct Chapter {
  std::string_view title;
  std::span<const Rule> (*rules)();
};
constexpr Chapter kChapters[] = {
    {"LOST WAKEUPS", wakeup_rules},
    {"CAPACITY AND MODE", capacity_rules},
    {"LEAKED ENDS", leak_rules},
    {"CIRCULAR WAITS", cycle_rules},
    {"A STAGE IS NOT RUNNING", halted_rules},
    {"WAITS FOR SOMETHING OUTSIDE", outside_rules},
    {"SILENT DAMAGE", damage_rules},
    {"LOOKS STUCK, IS NOT; LEFTOVERS; THE GATE", healthy_rules},
};

// Everything as it stands: scdoc makes bold and underlined text of stars and underscores.
std::string plain(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("*_\\#<>").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

// What scdoc takes for a list, a table or a comment at the beginning of a line.
bool may_begin_line(std::string_view word) {
  return std::string_view("-.|[];:#").find(word.front()) == std::string_view::npos;
}

// One paragraph, broken at 88 columns.
std::string paragraph(std::string_view text) {
  std::string out;
  size_t column = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word.empty()) continue;
    const bool fits = column + 1 + word.size() <= 88;
    if (column > 0) out += fits || !may_begin_line(word) ? ' ' : '\n';
    column = !out.empty() && out.back() == '\n' ? word.size() : column + 1 + word.size();
    out += word;
  }
  return out + "\n";
}

std::string part(std::string_view heading, const char* text) {
  return cat("\n", paragraph(cat("*", heading, ":* ", plain(text))));
}

std::string section(const RuleInfo& rule) {
  return cat("\n## ", rule.id, " ", plain(rule.name), "\n\n", paragraph(plain(rule.sentence)),
             part("Seen by", rule.signature), part("What to do", rule.advice),
             part("Known from", rule.reference));
}

}  // namespace

std::string rules_page() {
  std::string page(kHead);
  for (const Chapter& chapter : kChapters) {
    page += cat("\n# ", chapter.title, "\n");
    const std::span<const Rule> rules = chapter.rules();
    std::vector<const RuleInfo*> infos;
    for (const Rule& rule : rules) infos.push_back(&rule.info);
    std::ranges::sort(infos, {}, [](const RuleInfo* info) { return std::string_view(info->id); });
    for (const RuleInfo* info : infos) page += section(*info);
  }
  return page + std::string(kFoot);
}

}  // namespace penstock::doctor
