// What one can do with libpenstock, in one page:
//
//   who-is-stuck PID...              tells why these processes do not go on
//   who-is-stuck --copy FROM TO      copies through gzip and back; TO is only there if all went
//   well who-is-stuck --run CMD '|' CMD   runs any pipeline with its gate, and tells how each stage
//   ended
//
// Exit status: 0, or 1 if somebody is stuck or something failed.
#include <penstock/doctor.h>
#include <penstock/pipeline.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

namespace api = penstock::api;

namespace {

int tell_who_is_stuck(const std::vector<std::string>& words) {
  std::vector<pid_t> pids;
  for (const std::string& word : words) pids.push_back(std::stoi(word));
  const api::Diagnosis diagnosis = api::diagnose(pids);
  for (const api::Finding& finding : diagnosis.findings) {
    std::cout << finding.rule << " (" << finding.name << "): " << finding.sentence << '\n';
    for (const api::Remedy& remedy : finding.remedies) {
      if (!remedy.command.empty()) std::cout << "  try: " << remedy.command << '\n';
    }
  }
  for (const api::Unknown& unknown : diagnosis.unknown) std::cout << unknown.sentence << '\n';
  if (!diagnosis.is_stuck()) std::cout << "nobody is stuck, as far as can be seen\n";
  return diagnosis.is_stuck() ? EXIT_FAILURE : EXIT_SUCCESS;
}

int run_and_tell(const api::Helper& helper, const std::vector<api::Command>& stages) {
  const api::Result result = api::run(helper, stages);
  for (const api::StageResult& stage : result.stages) {
    std::cout << stage.command.front() << ": ";
    if (stage.exit_code) std::cout << "exited " << *stage.exit_code;
    if (stage.signal) std::cout << "killed by signal " << *stage.signal;
    if (stage.start_error != 0) std::cout << "did not start";
    std::cout << '\n';
  }
  if (!result.ok) std::cout << "failed: " << result.sentence << '\n';
  return result.ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

std::vector<api::Command> split(const std::vector<std::string>& words) {
  std::vector<api::Command> stages(1);
  for (const std::string& word : words) {
    if (word == "|") {
      stages.emplace_back();
    } else {
      stages.back().push_back(word);
    }
  }
  return stages;
}

}  // namespace

int main(int argc, char** argv) {
  // First of all: the pipeline is run by this program, started anew.
  const api::Helper helper = api::Helper::in_this_program(argc, argv);
  const std::vector<std::string> words(argv + 1, argv + argc);
  try {
    if (words.size() == 3 && words[0] == "--copy") {
      // The last command commits at the end of its input, and there is none unless all went well.
      return run_and_tell(
          helper, {{"gzip", "-c", words[1]},
                   {"gzip", "-dc"},
                   {"sh", "-c", "cat >\"$1.new\" && mv \"$1.new\" \"$1\"", "sh", words[2]}});
    }
    if (words.size() > 1 && words[0] == "--run") {
      return run_and_tell(helper, split({words.begin() + 1, words.end()}));
    }
    if (!words.empty()) return tell_who_is_stuck(words);
  } catch (const std::exception& error) {
    std::cerr << "who-is-stuck: " << error.what() << '\n';
    return EXIT_FAILURE;
  }
  std::cerr << "usage: who-is-stuck PID... | --copy FROM TO | --run CMD '|' CMD...\n";
  return EXIT_FAILURE;
}
