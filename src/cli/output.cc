#include "cli/output.h"

#include <unistd.h>

#include <cerrno>
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
    entry["file_name"] = is_utf8(job.file) ? job.file : printable(job.file);
    if (!is_utf8(job.file)) entry["file_name_hex"] = hex_of(job.file);
    entry["mark"] = job.mark;
    list.push_back(std::move(entry));
  }
  return list.dump(2) + "\n";
}

std::string json_of(const std::vector<packet::Variable>& variables) {
  Json object = Json::object();
  for (const packet::Variable& variable : variables) {
    const std::string name = is_utf8(variable.name) ? variable.name : printable(variable.name);
    if (is_utf8(variable.value)) {
      object[name] = variable.value;
    } else {
      object[name] = Json{{"hex", hex_of(variable.value)}};
    }
  }
  return object.dump(2) + "\n";
}

}  // namespace penstock::cli
