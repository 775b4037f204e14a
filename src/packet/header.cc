#include "packet/header.h"

#include <zlib.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/bytes.h"
#include "base/text.h"
#include "packet/foreign_format.h"

namespace penstock::packet {

namespace {

constexpr std::string_view kMagic = "*FILESPOOLER";
constexpr uint16_t kVersion = 1;
constexpr size_t kVersionAt = 12;
constexpr size_t kLengthAt = 14;
constexpr size_t kMetadataSumAt = 22;
constexpr size_t kPrefixSumAt = 26;

constexpr size_t kMaxPiece = size_t{64} << 10U;

uint32_t crc32_of(std::span<const uint8_t> bytes) {
  return static_cast<uint32_t>(crc32_z(0, bytes.data(), bytes.size()));
}

// Whether the bytes are those of the magic, as far as both go.
bool begins_like_magic(std::span<const uint8_t> bytes) {
  const size_t size = std::min(bytes.size(), kMagic.size());
  return std::equal(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size), kMagic.begin(),
                    [](uint8_t byte, char c) { return byte == static_cast<uint8_t>(c); });
}

BadHeader no_job_file(std::span<const uint8_t> beginning) {
  if (const char* encoding = encoding_of(beginning)) {
    return BadHeader(cat("is not a job file, but looks like ", encoding, " data"),
                     BadHeader::Cause::encoded);
  }
  return BadHeader("is not a job file: the magic is missing");
}

std::span<const uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string with_prefix(const std::string& block) {
  if (block.size() > kMaxMetadataBytes) {
    throw Error(cat("the job's parameters and variables take ", block.size(), " bytes, more than ",
                    kMaxMetadataBytes));
  }
  return encode_prefix(block) + block;
}

}  // namespace

size_t HeaderReader::wanted() const {
  return done() ? 0 : std::min(expected_ - bytes_.size(), kMaxPiece);
}

void HeaderReader::feed(std::span<const uint8_t> bytes) {
  assert(bytes.size() <= wanted());
  if (bytes.empty()) return;
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  if (bytes_.size() < expected_) return;
  if (expected_ == kPrefixBytes) check_prefix();
  if (bytes_.size() == expected_) check_metadata();
}

// The order is fspl's: a version that it does not know is told apart from damage, and no length is
// believed before the checksum that covers it.
void HeaderReader::check_prefix() {
  const std::span<const uint8_t> prefix(bytes_);
  if (!begins_like_magic(prefix)) throw no_job_file(prefix);
  const auto version = load_big<uint16_t>(prefix.subspan(kVersionAt));
  if (version != kVersion) throw BadHeader(cat("has format version ", version, ", and we know 1"));
  if (load_big<uint32_t>(prefix.subspan(kPrefixSumAt)) != crc32_of(prefix.first(kPrefixSumAt))) {
    throw BadHeader("is damaged: the checksum of its prefix differs");
  }
  const auto length = load_big<uint64_t>(prefix.subspan(kLengthAt));
  if (length > kMaxMetadataBytes) {
    throw BadHeader(cat("claims ", length, " bytes of metadata, more than ", kMaxMetadataBytes));
  }
  expected_ += static_cast<size_t>(length);
}

void HeaderReader::check_metadata() {
  const std::span<const uint8_t> bytes(bytes_);
  const std::span<const uint8_t> block = bytes.subspan(kPrefixBytes);
  if (load_big<uint32_t>(bytes.subspan(kMetadataSumAt)) != crc32_of(block)) {
    throw BadHeader("is damaged: the checksum of its metadata differs");
  }
  Metadata metadata = decode_metadata(block);
  if (metadata.signature)
    before_signing_ = with_prefix(block_before_signing(block, *metadata.signature));
  if (metadata.seal && !metadata.signature) sealed_header_.assign(bytes_.begin(), bytes_.end());
  metadata_ = std::move(metadata);
  bytes_ = {};
}

void HeaderReader::end_of_input() const {
  assert(!done());
  if (bytes_.empty()) throw BadHeader("is empty", BadHeader::Cause::empty);
  if (!begins_like_magic(bytes_)) throw no_job_file(bytes_);
  throw BadHeader(cat("ends inside the header after ", bytes_.size(), " bytes"));
}

const Metadata& HeaderReader::metadata() const {
  assert(done());
  return *metadata_;
}

uint64_t HeaderReader::header_bytes() const {
  assert(done());
  return expected_;
}

std::string encode_header(const Metadata& metadata) {
  return with_prefix(encode_metadata(metadata));
}

std::string encode_header_fixed_width(const Metadata& metadata) {
  return with_prefix(encode_metadata(metadata, SequenceWidth::fixed));
}

std::string encode_prefix(std::string_view block) {
  std::string prefix(kMagic);
  prefix.resize(kPrefixBytes);
  const std::span<uint8_t> bytes(reinterpret_cast<uint8_t*>(prefix.data()), prefix.size());
  store_big(bytes.subspan(kVersionAt), kVersion);
  store_big(bytes.subspan(kLengthAt), uint64_t{block.size()});
  store_big(bytes.subspan(kMetadataSumAt), crc32_of(as_bytes(block)));
  store_big(bytes.subspan(kPrefixSumAt), crc32_of(bytes.first(kPrefixSumAt)));
  return prefix;
}

}  // namespace penstock::packet
