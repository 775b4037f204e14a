#include "cli/doctor_json.h"

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "doctor/explain.h"

namespace penstock::cli {

namespace {

using doctor::Diagnosis;
using doctor::Finding;
using doctor::Node;
using doctor::ProcessId;
using doctor::Remedy;
using doctor::Scene;
using Json = nlohmann::ordered_json;

constexpr int kSchema = 1;

// JSON is UTF-8; names and arguments are any bytes.
std::string text(std::string_view raw) {
  return is_utf8(raw) ? std::string(raw) : printable(raw);
}

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json identity(const ProcessId& id) {
  return {{"pid", id.pid}, {"start_time", id.start_time}};
}

Json process(const Scene& scene, const ProcessId& id) {
  if (id.pid == 0) return nullptr;
  Json out = identity(id);
  out["comm"] = nullptr;
  out["cmdline"] = nullptr;
  const doctor::Process* found = scene.find(id);
  if (found == nullptr) return out;
  out["comm"] = text(found->stat.comm);
  if (found->arguments) {
    Json words = Json::array();
    for (const std::string& word : *found->arguments) words.push_back(text(word));
    out["cmdline"] = std::move(words);
  }
  return out;
}

Json processes(const Scene& scene, const std::vector<ProcessId>& ids) {
  Json out = Json::array();
  for (const ProcessId& id : ids) out.push_back(process(scene, id));
  return out;
}

Json holders(const std::vector<doctor::Holder>& all) {
  Json out = Json::array();
  for (const doctor::Holder& holder : all) {
    Json one = identity(holder.process->id());
    one["comm"] = text(holder.process->stat.comm);
    one["fds"] = holder.fds;
    out.push_back(std::move(one));
  }
  return out;
}

Json pipe(const Scene& scene, const Finding& finding) {
  if (!finding.pipe) return nullptr;
  const procfs::PipeFacts* facts = scene.facts(*finding.pipe);
  Json out;
  out["inode"] = *finding.pipe;
  out["capacity"] = facts == nullptr ? Json(nullptr) : or_null(facts->capacity);
  out["bytes"] = facts == nullptr ? Json(nullptr) : or_null(facts->queued);
  out["writable"] = or_null(scene.writable(*finding.pipe));
  out["readers"] = holders(scene.readers(*finding.pipe));
  out["writers"] = holders(scene.writers(*finding.pipe));
  out["hidden_holder"] = finding.hidden_holder;
  return out;
}

Json remedy(const Remedy& remedy) {
  return {{"step", doctor::name_of(remedy.step)},
          {"command", text(remedy.command)},
          {"risk", text(remedy.risk)},
          {"safe", remedy.safe}};
}

Json texts(const std::vector<std::string>& all) {
  Json out = Json::array();
  for (const std::string& one : all) out.push_back(text(one));
  return out;
}

Json finding(const Scene& scene, const Finding& finding) {
  Json out;
  out["rule"] = finding.rule == nullptr ? "" : finding.rule->id;
  out["name"] = finding.rule == nullptr ? "" : finding.rule->name;
  out["severity"] = doctor::name_of(finding.severity);
  out["certainty"] = doctor::name_of(finding.certainty);
  out["culprit"] = process(scene, finding.culprit);
  out["companions"] = processes(scene, finding.companions);
  out["victims"] = processes(scene, finding.victims);
  out["pipe"] = pipe(scene, finding);
  out["since_s"] = or_null(finding.since_s);
  out["evidence"] = texts(finding.evidence);
  out["remedies"] = Json::array();
  for (const Remedy& each : finding.remedies) out["remedies"].push_back(remedy(each));
  const char* reference = finding.rule == nullptr ? nullptr : finding.rule->reference;
  out["reference"] = reference == nullptr ? "" : reference;
  out["sentence"] = text(finding.sentence);
  return out;
}

// "4711", or what stands outside, in words.
std::string node_id(const Node& node) {
  return node.is_external() ? text(node.external) : cat(node.process.pid);
}

Json graph(const Diagnosis& diagnosis, const Scene& scene) {
  Json nodes = Json::array();
  for (const Node& node : diagnosis.nodes) {
    Json one;
    one["id"] = node_id(node);
    one["process"] = process(scene, node.process);
    one["doing"] =
        node.is_external() ? Json(nullptr) : Json(describe_doing(scene, node.process.pid));
    nodes.push_back(std::move(one));
  }
  Json edges = Json::array();
  for (const doctor::Edge& edge : diagnosis.edges) {
    Json one;
    one["from"] = node_id(edge.from);
    one["thread"] = edge.tid;
    one["to"] = node_id(edge.to);
    one["kind"] = doctor::name_of(edge.kind);
    one["strong"] = edge.strong;
    one["pipe"] = edge.pipe == 0 ? Json(nullptr) : Json(edge.pipe);
    one["sentence"] = text(edge.sentence);
    edges.push_back(std::move(one));
  }
  return {{"nodes", std::move(nodes)}, {"edges", std::move(edges)}};
}

std::string_view name_of(doctor::Verdict verdict) {
  switch (verdict) {
    case doctor::Verdict::fine:
      return "fine";
    case doctor::Verdict::stuck:
      return "stuck";
    case doctor::Verdict::unknown:
      return "unknown";
  }
  return "unknown";
}

Json healed(const Scene& scene, const Healed& each) {
  Json out;
  out["rule"] = each.finding.rule == nullptr ? "" : each.finding.rule->id;
  out["target"] = process(scene, each.remedy.target);
  out["step"] = doctor::name_of(each.remedy.step);
  out["applied"] = each.applied;
  out["verified"] = each.verified;
  out["sentence"] = text(each.sentence);
  return out;
}

std::string dumped(const Json& json, JsonLayout layout) {
  // Everything was made UTF-8 above; should one text have slipped through, it is not worth a death.
  constexpr auto kForgiving = Json::error_handler_t::replace;
  return json.dump(layout == JsonLayout::indented ? 2 : -1, ' ', false, kForgiving) + "\n";
}

}  // namespace

std::string json_of(const Diagnosis& diagnosis, doctor::Verdict verdict, const Scene& scene,
                    const std::vector<Healed>& healing, JsonLayout layout) {
  Json out;
  out["schema"] = kSchema;
  out["verdict"] = name_of(verdict);
  out["findings"] = Json::array();
  for (const Finding& each : diagnosis.findings) out["findings"].push_back(finding(scene, each));
  out["graph"] = graph(diagnosis, scene);
  out["unknown"] = Json::array();
  for (const doctor::Unknown& unknown : diagnosis.unknown) {
    Json one = process(scene, unknown.process);
    if (one.is_null()) one = Json::object();
    one["sentence"] = text(unknown.sentence);
    out["unknown"].push_back(std::move(one));
  }
  out["unreadable"] = processes(scene, diagnosis.unreadable);
  out["kernel"] = text(diagnosis.kernel);
  if (!healing.empty()) {
    out["healing"] = Json::array();
    for (const Healed& each : healing) out["healing"].push_back(healed(scene, each));
  }
  return dumped(out, layout);
}

std::string json_of(const std::vector<doctor::Check>& checks) {
  Json out;
  out["schema"] = kSchema;
  out["checks"] = Json::array();
  for (const doctor::Check& check : checks) {
    out["checks"].push_back({{"name", check.name},
                             {"level", doctor::name_of(check.level)},
                             {"what", text(check.what)},
                             {"why", text(check.why)}});
  }
  return dumped(out, JsonLayout::indented);
}

}  // namespace penstock::cli
