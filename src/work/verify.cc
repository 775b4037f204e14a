#include "work/verify.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <memory>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "pipeline/engine.h"
#include "pipeline/header_read.h"
#include "pipeline/means_missing.h"
#include "pipeline/seal_check.h"
#include "pipeline/upstream.h"
#include "sys/files.h"

namespace penstock::work {

namespace {

using pipeline::BrokenSeal;

constexpr size_t kBlock = 128UL << 10U;

// What is left in `fd`, against the seal of `result`, which gets the verdict. It is read to its end
// in any case, so that a decoder can say what it has to say.
void check_rest(int fd, const std::string& name, const std::function<bool()>& cancelled,
                Verified& result) {
  std::optional<pipeline::SealCheck> check;
  result.state = SealState::not_sealed;
  if (result.metadata->seal) {
    pipeline::by_our_means([&] { check.emplace(*result.metadata->seal); });
    result.state = SealState::whole;
  }
  auto judge = [&](auto act) {
    if (!check) return;
    try {
      act();
    } catch (const BrokenSeal& broken) {
      result.state = broken.cause() == BrokenSeal::Cause::cut ? SealState::cut : SealState::altered;
      result.reason = broken.message();
      check.reset();
    }
  };
  std::vector<uint8_t> block(kBlock);
  while (const size_t count = cancelled() ? 0 : sys::read_some(fd, block, name))
    judge([&] { check->add(std::span(block).first(count)); });
  judge([&] { check->finish(); });
}

void take_header(const packet::HeaderReader& header, const Decoding& decoding, Verified& result) {
  result.metadata = header.metadata();
  result.header = result.metadata->signature ? header.header_before_signing()
                                             : packet::encode_header(*result.metadata);
  if (decoding.trust) result.objection = decoding.trust->objection_to(header);
}

Verified verify_plain(int fd, const std::string& name, const Decoding& decoding,
                      const std::function<bool()>& cancelled) {
  Verified result;
  try {
    take_header(pipeline::read_header(fd, name), decoding, result);
  } catch (const packet::BadHeader& error) {
    const bool encoded = error.cause() == packet::BadHeader::Cause::encoded;
    result.reason = error.message() + (encoded ? ": was --decoder (-d) forgotten?" : "");
    return result;
  }
  check_rest(fd, name, cancelled, result);
  return result;
}

Verified verify_decoded(sys::UniqueFd file, const std::string& name, const Decoding& decoding,
                        const pipeline::Options& options, const std::function<bool()>& cancelled) {
  using Result = pipeline::HeaderRead::Result;
  Verified result;
  pipeline::Engine engine;
  pipeline::Upstream upstream(
      engine, options,
      {.stages = decoding.plan->stages, .input = std::move(file), .tap = std::nullopt});
  auto end = [&] {
    upstream.processes().set_listener([] {});
    upstream.retire();
    engine.loop.run_until([&] { return upstream.is_gone(); });
  };
  bool done = false;
  auto header = std::make_unique<pipeline::HeaderRead>(
      engine, options, upstream, decoding.header_timeout, [&done] { done = true; });
  engine.loop.run_until([&] { return done; });
  if (header->result() != Result::ok) {
    const bool cannot_start = header->result() == Result::cannot_start;
    result.reason = header->result() == Result::timed_out
                        ? cat("the decoder gave ", header->reason(), " (see --header-timeout)")
                        : header->reason();
    header.reset();
    end();
    if (cannot_start) throw Error(cat("the decoder cannot be run: ", result.reason));
    return result;
  }
  take_header(header->header(), decoding, result);
  header.reset();
  upstream.processes().set_listener([] {});
  sys::UniqueFd output = upstream.take_read_end();
  check_rest(output.get(), name, cancelled, result);
  output.reset();
  engine.loop.run_until([&] { return upstream.all_over() || upstream.processes().keeper_died(); });
  const pipeline::Verdict verdict =
      upstream.verdict(options, pipeline::LastReader::reads_to_the_end);
  if (verdict.kind == pipeline::Verdict::Kind::good) return result;
  // Of what a decoder has not vouched for nobody knows whether it is all.
  const std::string words = verdict.kind == pipeline::Verdict::Kind::bad
                                ? verdict.sentence
                                : std::string("the decoder was lost");
  if (result.state == SealState::cut || result.state == SealState::altered) {
    result.reason += cat(" (", words, ")");
  } else {
    result.state = SealState::unreadable;
    result.reason = words;
  }
  return result;
}

}  // namespace

const char* seal_state_name(SealState state) {
  switch (state) {
    case SealState::whole:
      return "whole";
    case SealState::cut:
      return "cut";
    case SealState::altered:
      return "altered";
    case SealState::not_sealed:
      return "not sealed";
    case SealState::unreadable:
      return "unreadable";
  }
  return "";
}

Verified verify_file(const std::string& path, const Decoding& decoding,
                     const pipeline::Options& options, const std::function<bool()>& cancelled) {
  const std::string name = printable(path);
  sys::UniqueFd file;
  try {
    // O_NONBLOCK: a FIFO must not hang us.
    file = sys::open_file(path, O_RDONLY | O_NONBLOCK);
    if (!S_ISREG(sys::status_of(file.get(), name).st_mode))
      return {.reason = "is not a regular file"};
    sys::set_blocking(file.get());
    if (!decoding.plan) return verify_plain(file.get(), name, decoding, cancelled);
  } catch (const pipeline::MeansMissing&) {
    throw;
  } catch (const Error& error) {
    return {.reason = error.message()};
  }
  return verify_decoded(std::move(file), name, decoding, options, cancelled);
}

}  // namespace penstock::work
