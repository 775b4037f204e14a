#include "work/known_decoder.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <span>
#include <string>

#include "sys/program.h"

namespace penstock::work {

namespace {

using namespace std::string_view_literals;
using Words = std::span<const std::string>;
using Known = std::span<const std::string_view>;

struct Tool {
  Format format = Format::zstd;
  std::string_view name;
  Known decoders;                          // its names by which it decodes without being told
  Known decode;                            // long options that tell it to
  Known harmless;                          // options that do not matter here, besides -c, -q and -f
  std::span<const char* const> variables;  // what it takes more options from
};

constexpr std::array kZstd = {"zstdcat"sv, "unzstd"sv};
constexpr std::array kGzip = {"gunzip"sv, "zcat"sv};
constexpr std::array kXz = {"xzcat"sv, "unxz"sv};
constexpr std::array kBzip2 = {"bzcat"sv, "bunzip2"sv};
constexpr std::array kLz4 = {"lz4cat"sv, "unlz4"sv};

constexpr std::array kDecode = {"--decompress"sv, "--uncompress"sv};
constexpr std::array kBzip2Decode = {"--decompress"sv};

constexpr std::array kZstdHarmless = {"--stdout"sv, "--quiet"sv, "--force"sv, "-T0"sv,
                                      "-T1"sv,      "-T2"sv,     "-T4"sv,     "--threads=0"sv};
constexpr std::array kHarmless = {"--stdout"sv, "--to-stdout"sv, "--quiet"sv, "--force"sv};
constexpr std::array kXzHarmless = {"--stdout"sv, "--to-stdout"sv, "--quiet"sv,
                                    "--force"sv,  "-T0"sv,         "-T1"sv,
                                    "-T2"sv,      "-T4"sv,         "--threads=0"sv};
constexpr std::array kBzip2Harmless = {"--stdout"sv, "--quiet"sv, "--force"sv};

// Those of zstd(1) and lz4(1) are about encoding.
constexpr std::array kGzipVariables = {"GZIP"};
constexpr std::array kXzVariables = {"XZ_DEFAULTS", "XZ_OPT"};
constexpr std::array kBzip2Variables = {"BZIP2", "BZIP"};

constexpr std::array kTools = {
    Tool{Format::zstd, "zstd", kZstd, kDecode, kZstdHarmless, {}},
    Tool{Format::gzip, "gzip", kGzip, kDecode, kHarmless, kGzipVariables},
    Tool{Format::xz, "xz", kXz, kDecode, kXzHarmless, kXzVariables},
    Tool{Format::bzip2, "bzip2", kBzip2, kBzip2Decode, kBzip2Harmless, kBzip2Variables},
    Tool{Format::lz4, "lz4", kLz4, kDecode, kHarmless, {}},
};

bool has(Known words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

bool is_short_options(std::string_view word) {
  return word.size() > 1 && word[0] == '-' && word[1] != '-' &&
         word.find_first_not_of("dcqf", 1) == std::string_view::npos;
}

bool is_set(const char* variable) {
  const char* value = ::getenv(variable);
  return value != nullptr && *value != '\0';
}

// That `tool`, called `program`, decodes to standard output: the input is no file by name.
bool decodes(const Tool& tool, std::string_view program, Words options) {
  bool decodes = has(tool.decoders, program);
  if (!decodes && program != tool.name) return false;
  for (const std::string_view word : options) {
    if (is_short_options(word)) {
      decodes = decodes || word.find('d') != std::string_view::npos;
    } else if (has(tool.decode, word)) {
      decodes = true;
    } else if (!has(tool.harmless, word)) {
      return false;
    }
  }
  return decodes && std::ranges::none_of(tool.variables, is_set);
}

std::string_view without_usual_directory(std::string_view program) {
  for (const std::string_view directory : {"/usr/bin/"sv, "/bin/"sv}) {
    if (program.starts_with(directory)) program.remove_prefix(directory.size());
  }
  return program;
}

bool only_hides_messages(const pipeline::Redirect& redirect) {
  return redirect.fd == 2 && redirect.mode != pipeline::Redirect::Mode::duplicate &&
         redirect.path == "/dev/null";
}

}  // namespace

std::optional<KnownDecoder> known_decoder(const pipeline::DecoderPlan& plan,
                                          std::string_view path) {
  return plan.stages.size() == 1 ? known_last_stage(plan, path) : std::nullopt;
}

std::optional<KnownDecoder> known_last_stage(const pipeline::DecoderPlan& plan,
                                             std::string_view path) {
  if (!plan.seen_through) return std::nullopt;
  const pipeline::StageSpec& stage = plan.stages.back();
  if (stage.opaque || stage.sandboxed || stage.argv.empty()) return std::nullopt;
  if (!std::ranges::all_of(stage.redirects, only_hides_messages)) return std::nullopt;
  const std::string_view program = without_usual_directory(stage.argv.front());
  const auto* tool = std::ranges::find_if(kTools, [&](const Tool& each) {
    return decodes(each, program, Words(stage.argv).subspan(1));
  });
  if (tool == kTools.end()) return std::nullopt;
  const std::string found = sys::find_program(stage.argv.front(), path).path;
  if (found.empty()) return std::nullopt;
  return KnownDecoder{.format = tool->format,
                      .is_the_usual_program = without_usual_directory(found) == program};
}

}  // namespace penstock::work
