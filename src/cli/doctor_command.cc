// penstock doctor: looks twice, judges, tells; and whatever its options add to that.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "cli/doctor_json.h"
#include "cli/doctor_scope.h"
#include "cli/doctor_self.h"
#include "cli/exit_code.h"
#include "cli/handlers.h"
#include "cli/output.h"
#include "doctor/explain.h"
#include "doctor/healer.h"
#include "procfs/snapshot_file.h"
#include "spool/uuid.h"
#include "sys/directory.h"
#include "sys/event_loop.h"
#include "sys/files.h"
#include "sys/terminal.h"
#include "work/interruption.h"

namespace penstock::cli {

namespace {

using doctor::Diagnosis;
using doctor::Scene;
using doctor::Verdict;
using procfs::Snapshot;

constexpr int kStuck = 1;
constexpr int kCannotLook = 2;

int status_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::fine:
      return kSuccess;
    case Verdict::stuck:
      return kStuck;
    case Verdict::unknown:
      return kCannotLook;
  }
  return kCannotLook;
}

doctor::Step step_of(const Arguments& arguments) {
  if (arguments.value("heal") == "") return doctor::Step::nudge;
  return *arguments.pick<doctor::Step>("heal", {{"H1", doctor::Step::nudge},
                                                {"H3", doctor::Step::end_holder},
                                                {"H4", doctor::Step::stop_cont},
                                                {"H5", doctor::Step::end_all}});
}

// What the options must not do together, beyond what the table says.
void check_usage(const Arguments& arguments) {
  auto refuse = [](std::string_view reason) { throw UsageError("doctor", reason); };
  auto given = [&](const char* name) { return arguments.has(name); };
  const int targets = (arguments.params().empty() ? 0 : 1) + given("job") + given("session") +
                      given("all") + given("load") + given("self");
  if (targets > 1) refuse("PID, --job, --session, --all, --load and --self exclude each other");
  if (given("job") != given("queuedir")) refuse("options --job and --queuedir go together");
  if (given("json") && given("dot")) refuse("option --json and --dot exclude each other");
  if (given("redact") && !given("save")) refuse("option --redact needs --save");
  for (const char* live : {"heal", "watch", "save"}) {
    if (!given(live)) continue;
    if (given("load")) refuse(cat("option --load and --", live, " exclude each other"));
    if (given("self")) refuse(cat("option --self and --", live, " exclude each other"));
  }
  if (given("watch") && given("save")) refuse("option --watch and --save exclude each other");
  if (given("self") && (given("graph") || given("dot"))) {
    refuse("option --self has no graph to show");
  }
  const bool ends_somebody = given("heal") && step_of(arguments) != doctor::Step::nudge;
  if (ends_somebody && targets == 0) {
    refuse(cat("option --heal=", *arguments.value("heal"),
               " needs a PID, --job, --session or --all: it does not act upon whoever is there"));
  }
  if (given("watch") && given("dot")) refuse("option --watch and --dot exclude each other");
}

// As the C library would choose, without asking it to load a locale.
bool locale_is_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == 0) continue;
    const std::string_view locale(value);
    return locale.ends_with("UTF-8") || locale.ends_with("utf8") || locale.ends_with("UTF8") ||
           locale.ends_with("utf-8");
  }
  return false;
}

size_t output_width() {
  constexpr uint64_t kNarrowest = 20;
  constexpr uint64_t kWidest = 1000;
  const char* columns = std::getenv("COLUMNS");
  const auto wanted = columns == nullptr ? std::nullopt : parse_u64(columns);
  if (wanted && *wanted >= kNarrowest) return std::min(*wanted, kWidest);
  return std::max<size_t>(sys::terminal_columns(STDOUT_FILENO).value_or(80), kNarrowest);
}

// Two looks and what they come to. The scene borrows the looks, so this stays where it is.
class Examined {
 public:
  // `named`: whom the user asked for, if for anybody.
  Examined(Snapshot before, Snapshot now, const std::vector<doctor::ProcessId>& named = {})
      : before_(std::move(before)),
        now_(std::move(now)),
        scene_(before_, now_),
        diagnosis_(doctor::diagnose(scene_)) {
    const bool are_all_unknown = admit_unknown(diagnosis_, scene_, named);
    verdict_ = verdict_of(diagnosis_, scene_);
    if (are_all_unknown && verdict_ == Verdict::fine) verdict_ = Verdict::unknown;
  }
  Examined(const Examined&) = delete;
  Examined& operator=(const Examined&) = delete;

  const Snapshot& before() const { return before_; }
  const Snapshot& now() const { return now_; }
  const Scene& scene() const { return scene_; }
  const Diagnosis& diagnosis() const { return diagnosis_; }
  Verdict verdict() const { return verdict_; }
  int status() const { return status_of(verdict_); }
  // Changes when a watcher wants to be told.
  std::string gist() const;
  // To go on from: the second look is the next one's first.
  Snapshot take_now() { return std::move(now_); }

 private:
  Snapshot before_;
  Snapshot now_;
  Scene scene_;
  Diagnosis diagnosis_;
  Verdict verdict_ = Verdict::unknown;
};

std::string Examined::gist() const {
  std::string out = cat(status());
  for (const doctor::Finding& finding : diagnosis_.findings) {
    if (finding.severity == doctor::Severity::info) continue;
    out += cat(" ", finding.rule == nullptr ? "" : finding.rule->id, ":", finding.culprit.pid, ":",
               finding.culprit.start_time, ":", finding.pipe.value_or(0));
  }
  for (const doctor::Unknown& unknown : diagnosis_.unknown) out += cat(" ?", unknown.process.pid);
  return out;
}

class Printer {
 public:
  explicit Printer(const Arguments& arguments)
      : json_(arguments.has("json")),
        graph_(arguments.has("graph")),
        dot_(arguments.has("dot")),
        layout_(arguments.has("watch") ? JsonLayout::one_line : JsonLayout::indented),
        canvas_({.width = output_width(), .ascii = !locale_is_utf8()}) {}

  bool is_for_people() const { return !json_ && !dot_; }

  void show(const Examined& examined, const std::vector<Healed>& healing = {}) const {
    print(text(examined, healing));
  }
  void show(const std::vector<doctor::Check>& checks) const {
    print(json_ ? json_of(checks) : doctor::explain_checks(checks, canvas_.width));
  }

 private:
  std::string text(const Examined& examined, const std::vector<Healed>& healing) const {
    const Diagnosis& diagnosis = examined.diagnosis();
    if (json_) return json_of(diagnosis, examined.verdict(), examined.scene(), healing, layout_);
    if (dot_) return to_dot(diagnosis, examined.scene());
    if (graph_) return explain_graph(diagnosis, examined.scene(), canvas_);
    return explain(diagnosis, examined.scene(), canvas_);
  }

  bool json_;
  bool graph_;
  bool dot_;
  JsonLayout layout_;
  doctor::Canvas canvas_;
};

// Lets time pass; a signal ends it early where signals are heeded.
class Clock {
 public:
  enum class Signals { as_usual, end_the_pause };

  explicit Clock(Signals signals) {
    if (signals == Signals::end_the_pause) interruption_.emplace(loop_);
  }

  // False if a signal asked us to end.
  bool wait(std::chrono::milliseconds time) {
    bool is_over = false;
    sys::Timer timer(loop_, [&] { is_over = true; });
    timer.set(time);
    loop_.run_until([&] { return is_over || (interruption_ && interruption_->has_come()); });
    return !interruption_ || !interruption_->has_come();
  }

 private:
  sys::EventLoop loop_;
  std::optional<work::Interruption> interruption_;
};

// Where a name leads in the end, if it is a link.
std::string target_of(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr),
                                                         &std::free);
  return real ? std::string(real.get()) : path;
}

// A file is replaced as a whole; whatever else stands there, a device, a pipe, is written into.
void save(const std::string& name_given, const Examined& examined, procfs::Arguments arguments) {
  const std::string text = procfs::encode_snapshots(examined.before(), examined.now(), arguments);
  const auto there = sys::status_of_path(name_given);
  if (there && !S_ISREG(there->st_mode)) {
    sys::UniqueFd device = sys::open_file(name_given, O_WRONLY | O_NOCTTY);
    sys::write_all(device.get(), text, printable(name_given));
    sys::close(std::move(device), printable(name_given));
    return;
  }
  const std::string path = target_of(name_given);
  const size_t slash = path.rfind('/');
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (name.empty()) throw Error(cat("open ", printable(path), ": Is a directory"));
  const sys::Directory directory(slash == std::string::npos ? "." : path.substr(0, slash + 1));
  const std::string temporary = cat(".penstock-", spool::uuid_v4());
  // Arguments may be nobody else's business.
  constexpr mode_t kPrivate = 0600;
  sys::UniqueFd file =
      sys::open_at(directory.fd(), temporary, O_WRONLY | O_CREAT | O_EXCL, kPrivate);
  try {
    sys::write_all(file.get(), text, printable(path));
    sys::close(std::move(file), printable(path));
    directory.rename(temporary, name);
  } catch (const Error&) {
    static_cast<void>(directory.remove(temporary));
    throw;
  }
}

int judge_file(const std::string& path, const Printer& printer) {
  constexpr size_t kMost = 64U << 20U;  // as decode_snapshots() has it
  const sys::UniqueFd file = sys::open_file(path, O_RDONLY);
  const std::string text = sys::read_to_end(file.get(), kMost, printable(path));
  std::optional<std::pair<Snapshot, Snapshot>> pair;
  try {
    pair = procfs::decode_snapshots(text);
  } catch (const Error& error) {
    throw error.with(printable(path));
  }
  const Examined examined(std::move(pair->first), std::move(pair->second));
  printer.show(examined);
  return examined.status();
}

// For each finding of being stuck the first remedy of this step, if it offers one.
std::vector<Healed> heal_all(const Examined& examined, doctor::Step step) {
  std::vector<Healed> out;
  for (const doctor::Finding& finding : examined.diagnosis().findings) {
    if (finding.severity != doctor::Severity::stuck) continue;
    for (const doctor::Remedy& remedy : finding.remedies) {
      if (remedy.step != step) continue;
      const doctor::HealResult result =
          doctor::heal(finding, remedy, examined.before(), examined.now());
      out.push_back({finding, remedy, result.applied, result.verified, result.sentence});
      break;
    }
  }
  return out;
}

std::string healing_text(const std::vector<Healed>& healing, doctor::Step step) {
  if (healing.empty()) return cat("not healed: no finding offers ", name_of(step), "\n");
  std::string out;
  for (const Healed& each : healing) {
    out += cat(!each.applied   ? "not healed: "
               : each.verified ? "healed: "
                               : "tried: ",
               each.sentence, "\n");
  }
  return out;
}

// Whatever may be changed afterwards is looked at in full both times.
enum class SecondLook { quick, full };
SecondLook second_look(const Arguments& arguments) {
  return arguments.has("heal") ? SecondLook::full : SecondLook::quick;
}

// Looks, waits, looks again. The interval is from look to look, so the first one's time is part of
// it; but the second is much quicker, and whoever is seen last should have his time, too.
std::unique_ptr<Examined> examine_once(DoctorView& view, Clock& clock,
                                       std::chrono::milliseconds interval, SecondLook look) {
  Snapshot before = view.look();
  const std::chrono::duration<double> now_s = std::chrono::steady_clock::now().time_since_epoch();
  const auto looked = std::chrono::floor<std::chrono::milliseconds>(
      now_s - std::chrono::duration<double>(before.taken_s));
  clock.wait(std::max(interval - looked, interval * 3 / 4));
  Snapshot now = view.look(look == SecondLook::quick ? &before : nullptr);
  const std::vector<doctor::ProcessId> named = view.named(now);
  return std::make_unique<Examined>(std::move(before), std::move(now), named);
}

// Between looks that are less than this apart, an end may change hands, or another doctor may hold
// it for a moment, on a machine so busy that a moment is as long as the interval.
constexpr std::chrono::milliseconds kLongEnough{1000};

// A verdict that came so quickly must still be true at a third look, by the second and the third.
std::unique_ptr<Examined> examine(DoctorView& view, Clock& clock,
                                  std::chrono::milliseconds interval, SecondLook look) {
  std::unique_ptr<Examined> examined = examine_once(view, clock, interval, look);
  if (interval >= kLongEnough || !examined->diagnosis().is_stuck()) return examined;
  Snapshot before = examined->take_now();
  clock.wait(interval);
  Snapshot now = view.look();
  const std::vector<doctor::ProcessId> named = view.named(now);
  return std::make_unique<Examined>(std::move(before), std::move(now), named);
}

int look_once(const Arguments& arguments, const Printer& printer) {
  const std::chrono::milliseconds interval = *arguments.interval("interval");
  DoctorView view(doctor_scope(arguments));
  Clock clock(Clock::Signals::as_usual);
  std::unique_ptr<Examined> examined = examine(view, clock, interval, second_look(arguments));
  if (arguments.has("save")) {
    save(arguments.text("save"), *examined,
         arguments.has("redact") ? procfs::Arguments::redact : procfs::Arguments::keep);
  }
  std::vector<Healed> healing;
  if (arguments.has("heal") && examined->diagnosis().is_stuck()) {
    const doctor::Step step = step_of(arguments);
    if (printer.is_for_people()) printer.show(*examined);
    healing = heal_all(*examined, step);
    if (printer.is_for_people()) print(cat("\n", healing_text(healing, step)));
    const bool was_any_applied =
        std::ranges::any_of(healing, [](const Healed& each) { return each.applied; });
    if (!was_any_applied && printer.is_for_people()) return examined->status();
    if (was_any_applied) examined = examine(view, clock, interval, second_look(arguments));
    if (printer.is_for_people()) print("\n");
  }
  printer.show(*examined, healing);
  // We end now: to give back the memory of two looks at thousands of processes takes longer than to
  // let it go with us.
  static const Examined* const last_one = examined.release();
  return last_one->status();
}

int watch(const Arguments& arguments, const Printer& printer) {
  const std::chrono::milliseconds interval = *arguments.interval("interval");
  DoctorView view(doctor_scope(arguments));
  Clock clock(Clock::Signals::end_the_pause);
  std::string told;
  int status = kSuccess;
  Snapshot before = view.look();
  const bool is_quick = second_look(arguments) == SecondLook::quick;
  while (clock.wait(interval)) {
    Snapshot now = view.look(is_quick ? &before : nullptr);
    if (view.all_gone(now)) {
      if (printer.is_for_people()) print("the processes that were watched have ended\n");
      return status;
    }
    const std::vector<doctor::ProcessId> named = view.named(now);
    Examined examined(std::move(before), std::move(now), named);
    status = examined.status();
    std::string gist = examined.gist();
    if (gist != told) {
      if (printer.is_for_people()) {
        print(cat(told.empty() ? "" : "\n", rfc3339_local(Timestamp::now()), "\n"));
      }
      std::vector<Healed> healing;
      if (arguments.has("heal") && examined.diagnosis().is_stuck()) {
        healing = heal_all(examined, step_of(arguments));
      }
      printer.show(examined, healing);
      if (!healing.empty() && printer.is_for_people()) {
        print(healing_text(healing, step_of(arguments)));
      }
      told = std::move(gist);
    }
    before = examined.take_now();
  }
  return status;
}

}  // namespace

int handle_doctor(const Arguments& arguments) {
  check_usage(arguments);
  try {
    const Printer printer(arguments);
    if (arguments.has("load")) return judge_file(arguments.text("load"), printer);
    // What we inherited without knowing could be the very end that somebody waits for.
    sys::close_inherited();
    if (arguments.has("self")) {
      const std::vector<doctor::Check> checks = doctor::check_self(gather_self_facts());
      printer.show(checks);
      const bool is_bad = std::ranges::any_of(
          checks, [](const doctor::Check& check) { return check.level == doctor::Level::bad; });
      return is_bad ? kStuck : kSuccess;
    }
    return arguments.has("watch") ? watch(arguments, printer) : look_once(arguments, printer);
  } catch (const Error& error) {
    Log::error(error.message());
    return kCannotLook;
  } catch (const ReaderGone&) {
    return kCannotLook;
  }
}

}  // namespace penstock::cli
