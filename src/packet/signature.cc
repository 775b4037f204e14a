#include "packet/signature.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace penstock::packet {

namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUntrusted = "untrusted comment: ";
constexpr std::string_view kTrusted = "trusted comment: ";
constexpr std::string_view kKeyAlgorithm = "Ed";
constexpr std::string_view kHashedAlgorithm = "ED";
constexpr std::string_view kChecksumAlgorithm = "B2";
// Salt and the two limits of the password's derivation; zero where there is no password.
constexpr size_t kPasswordBytes = 32 + 8 + 8;

using Bytes = std::vector<uint8_t>;

std::string to_base64(std::span<const uint8_t> bytes) {
  std::string text;
  for (size_t at = 0; at < bytes.size(); at += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - at);
    uint32_t group = 0;
    for (size_t i = 0; i < 3; ++i) group = group << 8U | (i < count ? bytes[at + i] : 0U);
    for (size_t i = 0; i < 4; ++i) text += i <= count ? kDigits[group >> (18 - 6 * i) & 63U] : '=';
  }
  return text;
}

// Nothing unless it is exactly what to_base64() makes of some bytes.
std::optional<Bytes> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  Bytes bytes;
  uint32_t group = 0;
  const size_t end = std::min(text.find('='), text.size());
  for (size_t i = 0; i < end; ++i) {
    const size_t value = kDigits.find(text[i]);
    if (value == std::string_view::npos) return std::nullopt;
    group = group << 6U | static_cast<uint32_t>(value);
    const size_t in_group = i % 4;
    if (in_group != 0) bytes.push_back(static_cast<uint8_t>(group >> (6 - 2 * in_group)));
  }
  // Digits too many, bits that mean nothing, a misplaced '=': one value has one form.
  return to_base64(bytes) == text ? std::optional(bytes) : std::nullopt;
}

void add(Bytes& out, std::string_view text) {
  out.insert(out.end(), text.begin(), text.end());
}
void add(Bytes& out, std::span<const uint8_t> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

// Takes fields off the front of bytes whose number is known to suffice.
class Fields {
 public:
  explicit Fields(std::span<const uint8_t> bytes) : rest_(bytes) {}

  template <size_t size>
  void take(std::array<uint8_t, size>& into) {
    std::copy_n(rest_.begin(), size, into.begin());
    rest_ = rest_.subspan(size);
  }
  std::string take_text(size_t size) {
    const std::string text(rest_.begin(), rest_.begin() + static_cast<ptrdiff_t>(size));
    rest_ = rest_.subspan(size);
    return text;
  }

 private:
  std::span<const uint8_t> rest_;
};

bool is_comment(std::string_view text) {
  return text.size() <= kMaxCommentBytes && is_utf8(text) && !has_controls(text, "\t");
}

// Lines without their ends, which may be of either sort.
std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
  }
  return lines;
}

std::optional<PublicKey> public_key_of(std::string_view line) {
  PublicKey key;
  const auto bytes = from_base64(line);
  if (!bytes || bytes->size() != 2 + key.id.size() + key.key.size()) return std::nullopt;
  Fields fields(*bytes);
  if (fields.take_text(2) != kKeyAlgorithm) return std::nullopt;
  fields.take(key.id);
  fields.take(key.key);
  return key;
}

}  // namespace

std::string to_hex(const KeyId& id) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string text;
  for (size_t i = id.size(); i-- > 0;) {
    text += kHex[id[i] >> 4U];
    text += kHex[id[i] & 15U];
  }
  return text;
}

bool Signature::has_field(std::string_view field) const {
  return cat("\t", comment, "\t").find(cat("\t", field, "\t")) != std::string::npos;
}

std::vector<uint8_t> SecretKey::checked() const {
  Bytes bytes;
  add(bytes, kKeyAlgorithm);
  add(bytes, id);
  add(bytes, key);
  return bytes;
}

std::string header_line(const Signature& signature) {
  Bytes bytes;
  add(bytes, signature.kind == Signature::Kind::hashed ? kHashedAlgorithm : kKeyAlgorithm);
  add(bytes, signature.key);
  add(bytes, signature.of_header);
  return to_base64(bytes);
}

std::string comment_line(const Signature& signature) {
  return to_base64(signature.of_comment);
}

std::optional<Signature> signature_of(std::string_view first, std::string_view comment,
                                      std::string_view second) {
  Signature signature{.comment = std::string(comment)};
  const auto header = from_base64(first);
  const auto of_comment = from_base64(second);
  if (!header || header->size() != 2 + signature.key.size() + signature.of_header.size() ||
      !of_comment || of_comment->size() != signature.of_comment.size() || !is_comment(comment)) {
    return std::nullopt;
  }
  Fields fields(*header);
  const std::string algorithm = fields.take_text(2);
  if (algorithm != kHashedAlgorithm && algorithm != kKeyAlgorithm) return std::nullopt;
  signature.kind = algorithm == kHashedAlgorithm ? Signature::Kind::hashed : Signature::Kind::plain;
  fields.take(signature.key);
  fields.take(signature.of_header);
  Fields(*of_comment).take(signature.of_comment);
  return signature;
}

std::string signature_file(const Signature& signature) {
  return cat(kUntrusted, "signature of a job file's header\n", header_line(signature), "\n",
             kTrusted, signature.comment, "\n", comment_line(signature), "\n");
}

Signature parse_signature_file(std::string_view text) {
  const std::vector<std::string_view> lines = lines_of(text);
  std::optional<Signature> signature;
  if (lines.size() == 4 && lines[0].starts_with(kUntrusted) && lines[2].starts_with(kTrusted))
    signature = signature_of(lines[1], lines[2].substr(kTrusted.size()), lines[3]);
  if (!signature) throw Error("is no signature file of minisign");
  return *signature;
}

std::string public_key_file(const PublicKey& key) {
  Bytes bytes;
  add(bytes, kKeyAlgorithm);
  add(bytes, key.id);
  add(bytes, key.key);
  return cat(kUntrusted, "minisign public key ", to_hex(key.id), "\n", to_base64(bytes), "\n");
}

std::vector<PublicKey> parse_public_keys(std::string_view text) {
  std::vector<PublicKey> keys;
  size_t number = 0;
  for (const std::string_view line : lines_of(text)) {
    ++number;
    if (trim(line).empty() || line.starts_with('#') || line.starts_with(kUntrusted)) continue;
    const auto key = public_key_of(trim(line));
    if (!key) throw Error(cat("has no public key of minisign in line ", number));
    keys.push_back(*key);
  }
  if (keys.empty()) throw Error("has no public key");
  return keys;
}

std::string secret_key_file(const SecretKey& key) {
  Bytes bytes;
  add(bytes, kKeyAlgorithm);
  bytes.resize(bytes.size() + 2);  // no password
  add(bytes, kChecksumAlgorithm);
  bytes.resize(bytes.size() + kPasswordBytes);
  add(bytes, key.id);
  add(bytes, key.key);
  add(bytes, key.checksum);
  return cat(kUntrusted, "minisign secret key, not encrypted\n", to_base64(bytes), "\n");
}

SecretKey parse_secret_key(std::string_view text) {
  constexpr std::string_view kNone = "is no secret key file of minisign";
  SecretKey key;
  const std::vector<std::string_view> lines = lines_of(text);
  if (lines.size() != 2 || !lines[0].starts_with(kUntrusted)) throw Error(std::string(kNone));
  const auto bytes = from_base64(lines[1]);
  if (!bytes ||
      bytes->size() != 6 + kPasswordBytes + key.id.size() + key.key.size() + key.checksum.size()) {
    throw Error(std::string(kNone));
  }
  Fields fields(*bytes);
  if (fields.take_text(2) != kKeyAlgorithm) throw Error(std::string(kNone));
  const std::string derivation = fields.take_text(2);
  if (derivation == "Sc") {
    throw Error(
        "is encrypted with a password, and only keys without one can be used: "
        "`minisign -C -W -s FILE` takes it off");
  }
  if (derivation != std::string(2, '\0') || fields.take_text(2) != kChecksumAlgorithm)
    throw Error(std::string(kNone));
  fields.take_text(kPasswordBytes);
  fields.take(key.id);
  fields.take(key.key);
  fields.take(key.checksum);
  return key;
}

}  // namespace penstock::packet
