#include "packet/metadata.h"

#include <array>
#include <limits>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "packet/messagepack.h"

namespace penstock::packet {

namespace {

// fspl passes over this key, as over any that it does not know.
constexpr std::string_view kSealKey = "penstock_seal";
constexpr std::string_view kSignatureKey = "penstock_signature";
constexpr std::string_view kDigestName = "blake2b-256";

size_t count_items(const Metadata& metadata) {
  return metadata.params.size() + metadata.env.size() + metadata.command_unknown.size() +
         metadata.unknown.size();
}

void write_unknown(MessagePackWriter& writer, const std::vector<UnknownKey>& unknown) {
  for (const UnknownKey& each : unknown) {
    writer.add_text(each.key);
    writer.add_encoded(each.value);
  }
}

void write_command(MessagePackWriter& writer, const Metadata& metadata) {
  writer.add_map(2 + metadata.command_unknown.size());
  writer.add_text("params");
  writer.add_array(metadata.params.size());
  for (const std::string& param : metadata.params) writer.add_bytes(param);
  writer.add_text("env");
  writer.add_array(metadata.env.size());
  for (const Variable& variable : metadata.env) {
    writer.add_array(2);
    writer.add_bytes(variable.name);
    writer.add_bytes(variable.value);
  }
  write_unknown(writer, metadata.command_unknown);
}

void write_kind(MessagePackWriter& writer, const Metadata& metadata) {
  switch (metadata.kind) {
    case Kind::nop:
      return writer.add_text("NOP");
    case Kind::fail:
      return writer.add_text("Fail");
    case Kind::command:
      writer.add_map(1);
      writer.add_text("Command");
      return write_command(writer, metadata);
  }
}

void write_seal(MessagePackWriter& writer, const Seal& seal) {
  writer.add_text(kSealKey);
  writer.add_array(3);
  writer.add_text(kDigestName);
  writer.add_wide_unsigned(seal.length);
  writer.add_text(to_hex(seal.digest));
}

void write_signature(MessagePackWriter& writer, const Signature& signature) {
  writer.add_text(kSignatureKey);
  writer.add_array(3);
  writer.add_text(header_line(signature));
  writer.add_text(signature.comment);
  writer.add_text(comment_line(signature));
}

// The keys that one map must have, each exactly once.
class RequiredKeys {
 public:
  explicit RequiredKeys(std::vector<std::string_view> missing) : missing_(std::move(missing)) {}

  void found(std::string_view key) {
    if (std::erase(missing_, key) == 0) throw BadHeader(cat("key ", key, " is given twice"));
  }
  void require_all() const {
    if (!missing_.empty()) throw BadHeader(cat("key ", missing_.front(), " is missing"));
  }

 private:
  std::vector<std::string_view> missing_;
};

class Decoder {
 public:
  explicit Decoder(std::span<const uint8_t> block) : reader_(block) {}

  Metadata decode();

 private:
  uint64_t read_count(Token::Type type, std::string_view complaint);
  std::string_view read_key();
  uint64_t read_unsigned(std::string_view key, uint64_t max);
  int64_t read_seconds();
  Timestamp read_created();
  Seal read_seal();
  Signature read_signature();
  void read_kind();
  void read_command();
  void read_params();
  void read_env();
  UnknownKey read_unknown(std::string_view key);
  void count_item();

  MessagePackReader reader_;
  Metadata metadata_;
};

// The head of an array or map. The number is what the block claims: only to be counted up to, never
// to be allocated for.
uint64_t Decoder::read_count(Token::Type type, std::string_view complaint) {
  const Token token = reader_.next();
  if (token.type != type) throw BadHeader(std::string(complaint));
  return token.number;
}

std::string_view Decoder::read_key() {
  const Token token = reader_.next();
  if (token.type != Token::Type::text) throw BadHeader("a key is not a string");
  return token.text;
}

uint64_t Decoder::read_unsigned(std::string_view key, uint64_t max) {
  const Token token = reader_.next();
  const bool negative = token.type == Token::Type::negative_integer;
  if (token.type != Token::Type::unsigned_integer && !negative) {
    throw BadHeader(cat(key, " is not an integer"));
  }
  if (negative || token.number > max) throw BadHeader(cat(key, " is out of range"));
  return token.number;
}

int64_t Decoder::read_seconds() {
  const Token token = reader_.next();
  if (token.type == Token::Type::negative_integer) return token.negative;
  if (token.type != Token::Type::unsigned_integer) throw BadHeader("ctime is not an integer");
  if (token.number > uint64_t{std::numeric_limits<int64_t>::max()}) {
    throw BadHeader("ctime is out of range");
  }
  return static_cast<int64_t>(token.number);
}

Timestamp Decoder::read_created() {
  constexpr std::string_view kComplaint = "ctime is not an array of two";
  if (read_count(Token::Type::array, kComplaint) != 2) throw BadHeader(std::string(kComplaint));
  const int64_t seconds = read_seconds();
  const uint64_t nanoseconds = read_unsigned("ctime", std::numeric_limits<uint32_t>::max());
  const Timestamp created{.seconds = seconds, .nanoseconds = static_cast<uint32_t>(nanoseconds)};
  // fspl decodes these, and panics when it shows them (D21).
  if (!is_representable(created)) throw BadHeader("ctime is out of range");
  return created;
}

// A seal that we cannot read is no seal that could be passed over: whoever sealed the job wants it
// checked.
Seal Decoder::read_seal() {
  constexpr std::string_view kComplaint = "the seal is not an array of three";
  if (read_count(Token::Type::array, kComplaint) != 3) throw BadHeader(std::string(kComplaint));
  const Token name = reader_.next();
  if (name.type != Token::Type::text) throw BadHeader("the seal does not name its digest");
  if (name.text != kDigestName)
    throw BadHeader(cat("the seal is of a kind other than ", kDigestName));
  const uint64_t length =
      read_unsigned("the length in the seal", std::numeric_limits<uint64_t>::max());
  const Token hex = reader_.next();
  const auto digest =
      hex.type == Token::Type::text ? digest_from_hex(hex.text) : std::optional<Digest>();
  if (!digest) throw BadHeader("the digest in the seal is not one");
  return {.length = length, .digest = *digest};
}

// The same holds for a signature.
Signature Decoder::read_signature() {
  constexpr std::string_view kComplaint = "the signature is not an array of three strings";
  if (read_count(Token::Type::array, kComplaint) != 3) throw BadHeader(std::string(kComplaint));
  std::array<std::string_view, 3> parts;
  for (std::string_view& part : parts) {
    const Token token = reader_.next();
    if (token.type != Token::Type::text) throw BadHeader(std::string(kComplaint));
    part = token.text;
  }
  auto signature = signature_of(parts[0], parts[1], parts[2]);
  if (!signature) throw BadHeader("the signature is not one");
  return std::move(*signature);
}

void Decoder::read_params() {
  const uint64_t count = read_count(Token::Type::array, "params is not an array");
  for (uint64_t i = 0; i < count; ++i) {
    metadata_.params.push_back(reader_.next_bytes("a parameter"));
    count_item();
  }
}

void Decoder::read_env() {
  constexpr std::string_view kComplaint = "an entry of env is not an array of two";
  const uint64_t count = read_count(Token::Type::array, "env is not an array");
  for (uint64_t i = 0; i < count; ++i) {
    if (read_count(Token::Type::array, kComplaint) != 2) throw BadHeader(std::string(kComplaint));
    std::string name = reader_.next_bytes("a name in env");
    std::string value = reader_.next_bytes("a value in env");
    metadata_.env.push_back({.name = std::move(name), .value = std::move(value)});
    count_item();
  }
}

UnknownKey Decoder::read_unknown(std::string_view key) {
  return {.key = std::string(key), .value = std::string(reader_.skip_value())};
}

void Decoder::count_item() {
  if (count_items(metadata_) > kMaxItems) {
    throw BadHeader(cat("there are more than ", kMaxItems, " parameters, variables and keys"));
  }
}

void Decoder::read_command() {
  RequiredKeys required({"params", "env"});
  const uint64_t count = read_count(Token::Type::map, "the value of Command is not a map");
  for (uint64_t i = 0; i < count; ++i) {
    const std::string_view key = read_key();
    if (key == "params") {
      required.found(key);
      read_params();
    } else if (key == "env") {
      required.found(key);
      read_env();
    } else {
      metadata_.command_unknown.push_back(read_unknown(key));
      count_item();
    }
  }
  required.require_all();
}

void Decoder::read_kind() {
  const Token token = reader_.next();
  if (token.type == Token::Type::text && token.text == "NOP") {
    metadata_.kind = Kind::nop;
  } else if (token.type == Token::Type::text && token.text == "Fail") {
    metadata_.kind = Kind::fail;
  } else if (token.type == Token::Type::map && token.number == 1 && read_key() == "Command") {
    metadata_.kind = Kind::command;
    read_command();
  } else {
    throw BadHeader("cmd_type is none of Command, NOP and Fail");
  }
}

Metadata Decoder::decode() {
  RequiredKeys required({"seq", "ctime", "cmd_type"});
  const uint64_t count = read_count(Token::Type::map, "the metadata is not a map");
  for (uint64_t i = 0; i < count; ++i) {
    const std::string_view key = read_key();
    if (key == "seq") {
      required.found(key);
      metadata_.sequence = read_unsigned(key, std::numeric_limits<uint64_t>::max());
    } else if (key == "ctime") {
      required.found(key);
      metadata_.created = read_created();
    } else if (key == "cmd_type") {
      required.found(key);
      read_kind();
    } else if (key == kSealKey) {
      if (metadata_.seal) throw BadHeader(cat("key ", key, " is given twice"));
      metadata_.seal = read_seal();
    } else if (key == kSignatureKey) {
      if (metadata_.signature) throw BadHeader(cat("key ", key, " is given twice"));
      metadata_.signature = read_signature();
    } else {
      metadata_.unknown.push_back(read_unknown(key));
      count_item();
    }
  }
  required.require_all();
  if (metadata_.signature && !metadata_.seal) throw BadHeader("it is signed, but not sealed");
  return std::move(metadata_);
}

}  // namespace

std::string encode_metadata(const Metadata& metadata, SequenceWidth width) {
  if (count_items(metadata) > kMaxItems) {
    throw Error(cat("a job cannot have more than ", kMaxItems, " parameters and variables"));
  }
  MessagePackWriter writer;
  writer.add_map(3 + (metadata.seal ? 1 : 0) + metadata.unknown.size() +
                 (metadata.signature ? 1 : 0));
  writer.add_text("seq");
  if (width == SequenceWidth::fixed) {
    writer.add_wide_unsigned(metadata.sequence);
  } else {
    writer.add_unsigned(metadata.sequence);
  }
  writer.add_text("ctime");
  writer.add_array(2);
  writer.add_signed(metadata.created.seconds);
  writer.add_unsigned(metadata.created.nanoseconds);
  writer.add_text("cmd_type");
  write_kind(writer, metadata);
  if (metadata.seal) write_seal(writer, *metadata.seal);
  write_unknown(writer, metadata.unknown);
  if (metadata.signature) write_signature(writer, *metadata.signature);
  return writer.take();
}

std::string block_before_signing(std::span<const uint8_t> block, const Signature& signature) {
  const uint64_t keys = MessagePackReader(block).next().number;
  const auto head_of = [](uint64_t count) {
    MessagePackWriter writer;
    writer.add_map(count);
    return writer.take();
  };
  MessagePackWriter last;
  write_signature(last, signature);
  const std::string tail = last.take();
  const std::string head = head_of(keys);
  std::string_view middle(reinterpret_cast<const char*>(block.data()), block.size());
  if (!middle.starts_with(head) || !middle.ends_with(tail))
    throw BadHeader("the signature is not its last key, in its one form");
  middle.remove_prefix(head.size());
  middle.remove_suffix(tail.size());
  return cat(head_of(keys - 1), middle);
}

Metadata decode_metadata(std::span<const uint8_t> block) {
  return Decoder(block).decode();
}

}  // namespace penstock::packet
