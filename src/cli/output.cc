#include "cli/output.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "sys/files.h"

namespace penstock::cli {

namespace {

using Json = nlohmann::ordered_json;

std::string hex_of(std::string_view raw) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  for (const char c : raw) {
    const auto byte = static_cast<unsigned char>(c);
    out += kHex[byte >> 4U];
    out += kHex[byte & 15U];
  }
  return out;
}

void add_file_name(Json& entry, const std::string& name, const std::string& key = "file_name") {
  entry[key] = is_utf8(name) ? name : printable(name);
  if (!is_utf8(name)) entry[key + "_hex"] = hex_of(name);
}

// Nothing that a terminal would act on: JSON itself has names for it.
std::string text_of(const Json& json) {
  const std::string raw = json.dump(2);
  std::string text;
  text.reserve(raw.size() + 1);
  for (size_t i = 0; i < raw.size();) {
    // Two or three bytes each, all below U+FFFF; no others of the controls are left as they are.
    const auto byte = [&](size_t at) { return static_cast<unsigned char>(raw[at]); };
    const size_t length = byte(i) == 0xc2 ? 2 : byte(i) == 0xe2 ? 3 : 1;
    const std::string_view character = std::string_view(raw).substr(i, length);
    i += character.size();
    if (length == 1 || !has_controls(character)) {
      text += character;
      continue;
    }
    const unsigned number =
        length == 2 ? character[1] & 0x3fU
                    : 0x2000U | (static_cast<unsigned char>(character[1]) & 0x3fU) << 6U |
                          (static_cast<unsigned char>(character[2]) & 0x3fU);
    std::array<char, 8> name{};
    std::snprintf(name.data(), name.size(), "\\u%04x", length == 2 ? 0x80U | number : number);
    text += name.data();
  }
  return text + "\n";
}

Json json_seal(const std::optional<packet::Seal>& seal) {
  if (!seal) return nullptr;
  return {{"payload_bytes", seal->length}, {"blake2b_256", packet::to_hex(seal->digest)}};
}

}  // namespace

void print(std::string_view text) {
  sys::check_stdout();
  while (!text.empty()) {
    const ssize_t count = ::write(STDOUT_FILENO, text.data(), text.size());
    if (count < 0) {
      if (errno == EINTR) continue;
      if (errno == EPIPE) throw ReaderGone{};
      throw Error::from_errno("write standard output");
    }
    text.remove_prefix(static_cast<size_t>(count));
  }
}

std::string json_of(const std::vector<ListedJob>& jobs) {
  Json list = Json::array();
  for (const ListedJob& job : jobs) {
    Json entry;
    entry["id"] = job.number;
    entry["created"] = job.created_local;
    entry["created_utc"] = job.created_utc;
    add_file_name(entry, job.file);
    entry["mark"] = job.mark;
    entry["seal"] = nullptr;
    if (job.sealed_bytes) entry["seal"] = Json{{"payload_bytes", *job.sealed_bytes}};
    list.push_back(std::move(entry));
  }
  return text_of(list);
}

std::string json_of(const std::vector<packet::Variable>& variables,
                    const std::optional<packet::Seal>& seal) {
  Json object = Json::object();
  for (const packet::Variable& variable : variables) {
    const std::string name = is_utf8(variable.name) ? variable.name : printable(variable.name);
    if (is_utf8(variable.value)) {
      object[name] = variable.value;
    } else {
      object[name] = Json{{"hex", hex_of(variable.value)}};
    }
  }
  object["seal"] = json_seal(seal);
  return text_of(object);
}

std::string json_of(const std::vector<work::Stray>& strays) {
  Json list = Json::array();
  for (const work::Stray& stray : strays) {
    Json entry;
    entry["kind"] = work::stray_name(stray.kind);
    entry["id"] = stray.number ? Json(*stray.number) : Json(nullptr);
    add_file_name(entry, stray.file, "file");
    if (!stray.of.empty()) add_file_name(entry, stray.of, "of");
    entry["stays"] = stray.stays;
    list.push_back(std::move(entry));
  }
  return text_of(list);
}

std::string json_of(const std::vector<work::QueueWarning>& warnings) {
  Json list = Json::array();
  for (const work::QueueWarning& warning : warnings) {
    Json entry;
    entry["kind"] = work::warning_name(warning.kind);
    add_file_name(entry, warning.path, "path");
    entry["reason"] = warning.reason;
    list.push_back(std::move(entry));
  }
  return text_of(list);
}

std::string json_of(const std::vector<spool::QuarantinedJob>& jobs) {
  Json list = Json::array();
  for (const spool::QuarantinedJob& job : jobs) {
    Json entry;
    entry["id"] = job.report ? Json(job.report->number) : Json(nullptr);
    add_file_name(entry, job.name);
    if (job.report) {
      entry["moved"] = printable(job.report->time);
      entry["attempts"] = job.report->attempts;
      entry["may_have_been_applied"] = job.report->may_have_been_applied;
      entry["reason"] = printable(job.report->reason);
    }
    list.push_back(std::move(entry));
  }
  return text_of(list);
}

std::string json_of(const std::vector<VerifiedFile>& files) {
  Json list = Json::array();
  for (const VerifiedFile& file : files) {
    Json entry;
    add_file_name(entry, file.file);
    entry["state"] = file.state;
    entry["reason"] = is_utf8(file.reason) ? file.reason : printable(file.reason);
    entry["id"] = nullptr;
    if (file.number) entry["id"] = *file.number;
    entry["seal"] = json_seal(file.seal);
    entry["signature"] = nullptr;
    if (file.signature) {
      entry["signature"] = {{"key", packet::to_hex(file.signature->key)},
                            {"comment", file.signature->comment},
                            {"trusted", file.is_trusted}};
    }
    list.push_back(std::move(entry));
  }
  return text_of(list);
}

}  // namespace penstock::cli
