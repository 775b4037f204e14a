#include "spool/support_test.h"

#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <vector>

namespace penstock::spool::testing {

namespace fs = std::filesystem;

namespace {

int shell_status(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

Scratch::Scratch() : path_(fs::temp_directory_path() / "penstock-spool-XXXXXX") {
  if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("mkdtemp " + path_);
  fs::permissions(path_, fs::perms::all);
}

Scratch::~Scratch() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string Scratch::path(std::string_view name) const {
  return name.empty() ? path_ : path_ + "/" + std::string(name);
}

void write_file(const std::string& path, std::string_view content) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  if (!out.flush()) throw std::runtime_error("write " + path);
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("read " + path);
  return {std::istreambuf_iterator<char>(in), {}};
}

bool exists(const std::string& path) {
  return fs::exists(fs::symlink_status(path));
}

std::string list(const std::string& path) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path)) names.push_back(entry.path().filename());
  std::ranges::sort(names);
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : " ") + name;
  return text;
}

Outcome shell(const std::string& script) {
  const std::string quoted = [&] {
    std::string text = "'";
    for (char c : script) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return text + "'";
  }();
  FILE* pipe = ::popen(("exec bash -c " + quoted + " 2>&1").c_str(), "re");
  if (pipe == nullptr) throw std::runtime_error("popen");
  Outcome outcome;
  std::array<char, 4096> buffer{};
  while (const size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    outcome.out.append(buffer.data(), count);
  }
  outcome.status = shell_status(::pclose(pipe));
  return outcome;
}

bool as_nobody(const std::function<bool()>& check) {
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("fork");
  if (child == 0) {
    int status = 1;
    const passwd* nobody = ::geteuid() == 0 ? ::getpwnam("nobody") : nullptr;
    const bool ready = nobody == nullptr
                           ? ::geteuid() != 0
                           : ::setresgid(nobody->pw_gid, nobody->pw_gid, nobody->pw_gid) == 0 &&
                                 ::setresuid(nobody->pw_uid, nobody->pw_uid, nobody->pw_uid) == 0;
    try {
      if (ready && check()) status = 0;
    } catch (const std::exception& error) {
      std::fprintf(stderr, "as nobody: %s\n", error.what());
    }
    ::_exit(status);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
  }
  return status == 0;
}

bool has_fspl() {
  return ::access("/usr/bin/fspl", X_OK) == 0;
}

}  // namespace penstock::spool::testing
