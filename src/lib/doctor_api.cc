#include <algorithm>
#include <cstdlib>
#include <set>
#include <thread>

#include "base/text.h"
#include "doctor/diagnose.h"
#include "doctor/explain.h"
#include "lib/translate.h"
#include "penstock/doctor.h"
#include "procfs/capture.h"
#include "procfs/snapshot_file.h"

namespace penstock::api {

struct Snapshot::Impl {
  procfs::Snapshot data;
  doctor::Scope scope;
};

struct SnapshotAccess {
  static const procfs::Snapshot& data(const Snapshot& snapshot) { return snapshot.impl_->data; }

  static Snapshot made(procfs::Snapshot data, doctor::Scope scope) {
    auto impl = std::make_unique<Snapshot::Impl>();
    impl->data = std::move(data);
    impl->scope = std::move(scope);
    return Snapshot(std::move(impl));
  }

  // `also`: who is looked at besides, if he is still there.
  static Snapshot look(doctor::Scope scope, const std::set<pid_t>& also) {
    return lib::translated([&] {
      procfs::Snapshot data = procfs::take_snapshot({}, [&](const procfs::Snapshot& table) {
        std::set<pid_t> chosen = doctor::choose(scope, table);
        for (const pid_t pid : also) {
          if (table.find(pid) != nullptr) chosen.insert(pid);
        }
        return chosen;
      });
      return made(std::move(data), std::move(scope));
    });
  }
};

namespace {

class Teller {
 public:
  explicit Teller(const doctor::Scene& scene) : scene_(scene) {}

  Diagnosis tell(const doctor::Diagnosis& diagnosis) const;

 private:
  Process process(const doctor::ProcessId& id) const {
    Process out{.pid = id.pid, .start_time = id.start_time, .comm = {}, .cmdline = {}};
    if (const doctor::Process* found = scene_.find(id)) {
      out.comm = found->stat.comm;
      out.cmdline = found->arguments;
    }
    return out;
  }
  std::optional<Process> if_any(const doctor::ProcessId& id) const {
    return id.pid == 0 ? std::nullopt : std::optional(process(id));
  }
  std::vector<Process> processes(const std::vector<doctor::ProcessId>& ids) const {
    std::vector<Process> out;
    out.reserve(ids.size());
    for (const doctor::ProcessId& id : ids) out.push_back(process(id));
    return out;
  }
  std::vector<PipeEnd> ends(const std::vector<doctor::Holder>& holders) const {
    std::vector<PipeEnd> out;
    out.reserve(holders.size());
    for (const doctor::Holder& holder : holders) {
      out.push_back({.process = process(holder.process->id()), .fds = holder.fds});
    }
    return out;
  }
  Pipe pipe(ino_t inode, bool hidden_holder) const;
  Finding finding(const doctor::Finding& finding) const;
  Node node(const doctor::Node& node) const;

  const doctor::Scene& scene_;
};

Severity public_of(doctor::Severity severity) {
  switch (severity) {
    case doctor::Severity::stuck:
      return Severity::stuck;
    case doctor::Severity::warning:
      return Severity::warning;
    case doctor::Severity::info:
      return Severity::info;
  }
  std::abort();
}

Certainty public_of(doctor::Certainty certainty) {
  switch (certainty) {
    case doctor::Certainty::certain:
      return Certainty::certain;
    case doctor::Certainty::likely:
      return Certainty::likely;
    case doctor::Certainty::possible:
      return Certainty::possible;
  }
  std::abort();
}

Verdict public_of(doctor::Verdict verdict) {
  switch (verdict) {
    case doctor::Verdict::fine:
      return Verdict::fine;
    case doctor::Verdict::stuck:
      return Verdict::stuck;
    case doctor::Verdict::unknown:
      return Verdict::unknown;
  }
  std::abort();
}

std::string id_of(const doctor::Node& node) {
  return node.is_external() ? node.external : cat(node.process.pid);
}

std::string text_of(const char* text) {
  return text == nullptr ? std::string() : std::string(text);
}

Pipe Teller::pipe(ino_t inode, bool hidden_holder) const {
  Pipe out;
  out.inode = inode;
  if (const procfs::PipeFacts* facts = scene_.facts(inode)) {
    out.capacity = facts->capacity;
    out.bytes = facts->queued;
  }
  out.writable = scene_.writable(inode);
  out.readers = ends(scene_.readers(inode));
  out.writers = ends(scene_.writers(inode));
  out.hidden_holder = hidden_holder;
  return out;
}

Finding Teller::finding(const doctor::Finding& finding) const {
  Finding out;
  if (finding.rule != nullptr) {
    out.rule = text_of(finding.rule->id);
    out.name = text_of(finding.rule->name);
    out.reference = text_of(finding.rule->reference);
  }
  out.severity = public_of(finding.severity);
  out.certainty = public_of(finding.certainty);
  out.culprit = if_any(finding.culprit);
  out.victims = processes(finding.victims);
  if (finding.pipe) out.pipe = pipe(*finding.pipe, finding.hidden_holder);
  out.since_s = finding.since_s;
  out.sentence = finding.sentence;
  out.evidence = finding.evidence;
  for (const doctor::Remedy& remedy : finding.remedies) {
    out.remedies.push_back({.step = std::string(name_of(remedy.step)),
                            .command = remedy.command,
                            .risk = remedy.risk,
                            .safe = remedy.safe});
  }
  return out;
}

Node Teller::node(const doctor::Node& node) const {
  return {.id = id_of(node),
          .process = if_any(node.process),
          .doing = node.is_external() ? "" : describe_doing(scene_, node.process.pid)};
}

Diagnosis Teller::tell(const doctor::Diagnosis& diagnosis) const {
  Diagnosis out;
  out.verdict = public_of(verdict_of(diagnosis, scene_));
  for (const doctor::Finding& each : diagnosis.findings) out.findings.push_back(finding(each));
  for (const doctor::Node& each : diagnosis.nodes) out.nodes.push_back(node(each));
  for (const doctor::Edge& edge : diagnosis.edges) {
    out.edges.push_back({.from = id_of(edge.from),
                         .to = id_of(edge.to),
                         .thread = edge.tid,
                         .kind = std::string(name_of(edge.kind)),
                         .strong = edge.strong,
                         .pipe = edge.pipe,
                         .sentence = edge.sentence});
  }
  for (const doctor::Unknown& unknown : diagnosis.unknown) {
    out.unknown.push_back({.process = process(unknown.process), .sentence = unknown.sentence});
  }
  out.unreadable = processes(diagnosis.unreadable);
  out.kernel = diagnosis.kernel;
  return out;
}

}  // namespace

Snapshot::Snapshot(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Snapshot::Snapshot(Snapshot&&) noexcept = default;
Snapshot& Snapshot::operator=(Snapshot&&) noexcept = default;
Snapshot::~Snapshot() = default;

Snapshot Snapshot::take(const std::vector<pid_t>& pids) {
  return SnapshotAccess::look({.pids = {pids.begin(), pids.end()}}, {});
}

Snapshot Snapshot::take_all() {
  return SnapshotAccess::look({.all = true}, {});
}

Snapshot Snapshot::again() const {
  const std::vector<pid_t> before = pids();
  return SnapshotAccess::look(impl_->scope, {before.begin(), before.end()});
}

double Snapshot::taken_s() const {
  return impl_->data.taken_s;
}

std::vector<pid_t> Snapshot::pids() const {
  std::vector<pid_t> out;
  for (const auto& [pid, process] : impl_->data.processes) {
    if (process.looked_at) out.push_back(pid);
  }
  return out;
}

Diagnosis diagnose(const Snapshot& before, const Snapshot& now) {
  return lib::translated([&] {
    const procfs::Snapshot& first = SnapshotAccess::data(before);
    const procfs::Snapshot& second = SnapshotAccess::data(now);
    const doctor::Scene scene(first, second);
    return Teller(scene).tell(doctor::diagnose(scene));
  });
}

Diagnosis diagnose(const std::vector<pid_t>& pids, std::chrono::milliseconds interval) {
  const Snapshot before = Snapshot::take(pids);
  const std::vector<pid_t> found = before.pids();
  const bool is_any_there = std::ranges::any_of(
      pids, [&](pid_t pid) { return std::ranges::find(found, pid) != found.end(); });
  if (!is_any_there) throw Error("diagnose: there is no such process");
  std::this_thread::sleep_for(interval);
  return diagnose(before, before.again());
}

std::string explain(const Snapshot& before, const Snapshot& now, std::size_t columns) {
  return lib::translated([&] {
    constexpr std::size_t kNarrowest = 20;
    const procfs::Snapshot& first = SnapshotAccess::data(before);
    const procfs::Snapshot& second = SnapshotAccess::data(now);
    return doctor::explain(doctor::diagnose(first, second), doctor::Scene(first, second),
                           {.width = std::max(columns, kNarrowest), .ascii = true});
  });
}

std::string save(const Snapshot& before, const Snapshot& now, Arguments arguments) {
  return lib::translated([&] {
    return procfs::encode_snapshots(
        SnapshotAccess::data(before), SnapshotAccess::data(now),
        arguments == Arguments::keep ? procfs::Arguments::keep : procfs::Arguments::redact);
  });
}

std::pair<Snapshot, Snapshot> load(std::string_view text) {
  return lib::translated([&] {
    auto [before, now] = procfs::decode_snapshots(text);
    return std::pair(SnapshotAccess::made(std::move(before), {}),
                     SnapshotAccess::made(std::move(now), {}));
  });
}

}  // namespace penstock::api
