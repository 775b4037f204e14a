#include "work/gpg_agent.h"

#include <algorithm>
#include <span>
#include <string>

#include "base/text.h"
#include "pipeline/stage_sandbox.h"
#include "sys/program.h"

namespace penstock::work {

namespace {

using pipeline::Redirect;
using Words = std::span<const std::string>;

constexpr std::string_view kHomedir = "--homedir";

// gpg takes any beginning of a long option that fits no other one.
bool may_be(std::string_view word, std::string_view option, size_t shortest) {
  word = word.substr(0, word.find('='));
  return word.size() >= shortest && option.starts_with(word);
}

bool says_decrypt(std::string_view word) {
  if (may_be(word, "--decrypt", 5)) return true;
  return word.size() > 1 && word[0] == '-' && word[1] != '-' &&
         word.find_first_not_of("dqv", 1) == std::string_view::npos &&
         word.find('d') != std::string_view::npos;
}

bool is_about_agent(std::string_view word) {
  return may_be(word, "--no-autostart", 8) || may_be(word, "--agent-program", 4);
}

bool decrypts(const pipeline::StageSpec& stage) {
  return !stage.opaque && pipeline::is_gpg(stage) &&
         std::ranges::any_of(Words(stage.argv).subspan(1), says_decrypt);
}

std::string gpgconf_beside(const std::string& gpg, std::string_view path) {
  const std::string place = sys::find_program(gpg, path).path;
  const size_t slash = place.rfind('/');
  if (slash == std::string::npos) return {};
  return sys::find_program(cat(place.substr(0, slash), "/gpgconf"), path).path;
}

}  // namespace

bool asks_gpg_agent(const pipeline::DecoderPlan& plan) {
  return plan.seen_through && std::ranges::any_of(plan.stages, decrypts);
}

std::optional<pipeline::StageSpec> agent_launch(const pipeline::DecoderPlan& plan,
                                                std::string_view path) {
  if (!plan.seen_through) return std::nullopt;
  const auto gpg = std::ranges::find_if(plan.stages, decrypts);
  if (gpg == plan.stages.end() || !gpg->sandboxed) return std::nullopt;
  const Words options = Words(gpg->argv).subspan(1);
  if (std::ranges::any_of(options, is_about_agent)) return std::nullopt;
  const std::string gpgconf = gpgconf_beside(gpg->argv.front(), path);
  if (gpgconf.empty()) return std::nullopt;
  pipeline::StageSpec launch{.argv = {gpgconf}};
  for (size_t i = 0; i < options.size(); ++i) {
    if (!may_be(options[i], kHomedir, 4)) continue;
    const size_t equals = options[i].find('=');
    if (equals == std::string::npos && i + 1 == options.size()) return std::nullopt;
    launch.argv.insert(
        launch.argv.end(),
        {std::string(kHomedir),
         equals == std::string::npos ? options[i + 1] : options[i].substr(equals + 1)});
  }
  launch.argv.insert(launch.argv.end(), {"--launch", "gpg-agent"});
  launch.redirects = {{.fd = 0, .mode = Redirect::Mode::read, .path = "/dev/null"},
                      {.fd = 1, .mode = Redirect::Mode::write, .path = "/dev/null"},
                      {.fd = 2, .mode = Redirect::Mode::write, .path = "/dev/null"}};
  return launch;
}

}  // namespace penstock::work
