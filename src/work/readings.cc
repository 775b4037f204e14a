#include "work/readings.h"

#include <fcntl.h>

#include <algorithm>
#include <string_view>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "sys/files.h"
#include "work/gpg_agent.h"

namespace penstock::work {

using namespace std::chrono_literals;

namespace {

// Decoders that were let go and have not ended yet.
constexpr size_t kMostRetiring = 16;
// Where only the tool finds headers, all stages run twice.
constexpr size_t kFreeMisses = 2;
constexpr size_t kHitsForAMiss = 4;
// Clocks of file systems go by ticks of 10 ms at most. A change within the tick in which a file was
// read would not show.
constexpr int64_t kTickNanoseconds = 100'000'000;
// It takes 10 ms.
constexpr auto kLaunchPatience = 5s;

size_t readings_at_once(const Decoding& decoding) {
  if (decoding.readings_at_once != 0) return decoding.readings_at_once;
  return std::clamp(std::thread::hardware_concurrency(), 2U, 8U);
}

std::string_view path_of(const std::vector<std::string>& environment) {
  constexpr std::string_view kName = "PATH=";
  for (const std::string_view variable : environment) {
    if (variable.starts_with(kName)) return variable.substr(kName.size());
  }
  return {};
}

// Where a last link of ours lies before the command.
bool can_filter(const pipeline::Options& options) {
  return options.gate != pipeline::GateStrength::off && !options.verify_before &&
         options.decoder_ok.empty();
}

}  // namespace

std::optional<Timestamp> stood_since(const Timestamp& changed) {
  const Timestamp now = Timestamp::now();
  const int64_t age = (now.seconds - changed.seconds) * 1'000'000'000 + now.nanoseconds -
                      int64_t{changed.nanoseconds};
  return now.seconds - changed.seconds > 1'000'000 || age > kTickNanoseconds
             ? std::optional(changed)
             : std::nullopt;
}

Readings::Readings(pipeline::Engine& engine, const pipeline::Options& options,
                   const Decoding& decoding)
    : engine_(engine),
      options_(options),
      decoding_(decoding),
      first_goes_alone_(decoding.plan && asks_gpg_agent(*decoding.plan)) {
  launch_options_.close_fds = true;
  if (!decoding.plan || !decoding.is_builtin) return;
  const std::string_view path = path_of(engine.environment);
  peek_ = HeaderPeek::of(*decoding.plan, path);
  if (decoding.filters && can_filter(options))
    last_stage_ = BuiltinLastStage::of(*decoding.plan, path);
}

Readings::~Readings() {
  try {
    // They end by SIGPIPE, or are ended within a second or two.
    engine_.loop.run_until([this] {
      bury_the_dead();
      return retiring_.empty();
    });
  } catch (const Error& error) {
    Log::debug(error.message());  // the keeper ends what is left, when we do
  }
}

std::optional<packet::HeaderReader> Readings::peek(const spool::JobFile& file) {
  return peek_ ? peek_->read(file.fd.get()) : std::nullopt;
}

// With a filter in the place of the last stage, or by all of them.
void Readings::decode(Reading& reading, sys::UniqueFd file, const BuiltinLastStage* last_stage) {
  const bool direct = options_.gate && *options_.gate != pipeline::GateStrength::hold;
  pipeline::Upstream::Config config{
      .stages = last_stage != nullptr ? last_stage->stages_before() : decoding_.plan->stages,
      .input = std::move(file),
      .filter = last_stage != nullptr ? last_stage->filter() : nullptr,
      .feeds_command = direct && !options_.verify_before && last_stage == nullptr,
      .tap = pipeline::Forward::no};
  if (last_stage != nullptr) reading.file = sys::duplicate(config.input.get());
  reading.upstream = std::make_unique<pipeline::Upstream>(engine_, options_, std::move(config));
}

std::unique_ptr<Reading> Readings::start_turn(const std::string& name, spool::JobFile file) {
  if (peek_ && decoding_.takes_whole && file.id.size <= HeaderPeek::kMostOfFile) {
    if (auto whole = peek_->read_whole(file.fd.get())) {
      auto reading = std::make_unique<Reading>();
      reading->name = name;
      reading->id = file.id;
      reading->whole = std::move(whole);
      reading->done = true;
      return reading;
    }
  }
  return start(name, std::move(file));
}

std::unique_ptr<Reading> Readings::start(const std::string& name, spool::JobFile file) {
  auto reading = std::make_unique<Reading>();
  reading->name = name;
  reading->id = file.id;
  reading->stood_since = stood_since(file.changed);
  sys::set_blocking(file.fd.get());  // a stage would see the flag
  if (!std::exchange(agent_was_launched_, true)) launch_agent();
  const bool is_worth_it = last_stage_ && misses_ <= kFreeMisses + hits_ / kHitsForAMiss;
  decode(*reading, std::move(file.fd), is_worth_it ? &*last_stage_ : nullptr);
  read_header(*reading);
  return reading;
}

void Readings::read_header(Reading& reading) {
  reading.header = std::make_unique<pipeline::HeaderRead>(
      engine_, options_, *reading.upstream, decoding_.header_timeout,
      [this, &reading] { finish_header(reading); });
  if (reading.upstream->count() == 0) reading.header->read_at_once();
}

// What a filter cannot decode its tool may, or it says why not.
void Readings::finish_header(Reading& reading) {
  sys::UniqueFd file = std::move(reading.file);
  first_is_over_ = true;
  if (reading.header->wants_tool()) {
    reading.is_second_try = true;
    retire(std::move(reading.upstream));
    try {
      // At a position of its own: the other one's may move still.
      decode(reading, sys::reopen(file.get(), O_RDONLY), nullptr);
      read_header(reading);
      return;
    } catch (const Error& error) {
      // Another job may be running: this file stays as undecodable as the filter has found it.
      Log::debug(error.message());
    }
  }
  if (reading.header->result() == pipeline::HeaderRead::Result::ok) {
    if (reading.is_second_try) ++misses_;
    if (reading.upstream->filter() != nullptr) ++hits_;
  }
  reading.done = true;
}

void Readings::launch_agent() {
  const auto command = agent_launch(*decoding_.plan, path_of(engine_.environment));
  if (!command) return;
  auto launch = std::make_unique<pipeline::Upstream>(
      engine_, launch_options_, pipeline::Upstream::Config{.stages = {*command}, .tap = {}});
  bool is_late = false;
  sys::Timer patience(engine_.loop, [&is_late] { is_late = true; });
  patience.set(kLaunchPatience);
  engine_.loop.run_until([&] { return launch->all_over() || is_late; });
  retire(std::move(launch));
}

bool Readings::has_room_beside(size_t running) const {
  if (running > 0 && !may_run_side_by_side()) return false;
  return running < readings_at_once(decoding_) && retiring_.size() < kMostRetiring;
}

void Readings::retire(std::unique_ptr<pipeline::Upstream> upstream) {
  if (!upstream) return;
  upstream->processes().set_listener([] {});
  upstream->retire();
  retiring_.push_back(std::move(upstream));
}

void Readings::let_go(Reading& reading) {
  reading.header.reset();
  retire(std::move(reading.upstream));
}

void Readings::bury_the_dead() {
  std::erase_if(retiring_, [](const auto& upstream) { return upstream->is_gone(); });
}

}  // namespace penstock::work
