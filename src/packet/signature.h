// Signatures of job files, and the text files of keys and signatures as minisign has them
// (docs/formats/signature.md). Pure: it knows the forms, not the arithmetic.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::packet {

// Which of his keys somebody used. Not secret, and nothing that is to be believed.
using KeyId = std::array<uint8_t, 8>;
// 16 digits, as minisign shows it.
std::string to_hex(const KeyId& id);

struct Signature {
  enum class Kind {
    hashed,  // "ED": of the BLAKE2b-512 digest of the bytes
    plain,   // "Ed": of the bytes themselves, as minisign -l makes them
  };
  Kind kind = Kind::hashed;
  KeyId key{};
  std::array<uint8_t, 64> of_header{};
  // UTF-8 without control characters other than the tab between its fields.
  std::string comment;
  std::array<uint8_t, 64> of_comment{};  // of of_header and comment

  // Whether the comment has this field: "queue:backup".
  bool has_field(std::string_view field) const;

  bool operator==(const Signature&) const = default;
};

struct PublicKey {
  KeyId id{};
  std::array<uint8_t, 32> key{};

  bool operator==(const PublicKey&) const = default;
};

struct SecretKey {
  KeyId id{};
  std::array<uint8_t, 64> key{};
  // Of algorithm, id and key, BLAKE2b with 32 bytes; all zero where nobody has made one.
  std::array<uint8_t, 32> checksum{};

  // What the checksum is of.
  std::vector<uint8_t> checked() const;

  bool operator==(const SecretKey&) const = default;
};

// No comment is longer; minisign's own limit is a little above.
inline constexpr size_t kMaxCommentBytes = 8000;
// No file of keys or with a signature is read beyond this.
inline constexpr size_t kMaxKeyFileBytes = size_t{1} << 20U;

// The two lines of base64 of a signature, as in its file and in a job file.
std::string header_line(const Signature& signature);
std::string comment_line(const Signature& signature);
// Nothing unless those two and the comment are exactly what the above make.
std::optional<Signature> signature_of(std::string_view first, std::string_view comment,
                                      std::string_view second);

// Files. The parsers throw Error, whose message is a predicate: "is no signature of minisign".
// They never quote bytes of the file.
std::string signature_file(const Signature& signature);
Signature parse_signature_file(std::string_view text);
std::string public_key_file(const PublicKey& key);
// One or several, with or without comments.
std::vector<PublicKey> parse_public_keys(std::string_view text);
std::string secret_key_file(const SecretKey& key);
// Refuses a key that is encrypted with a password.
SecretKey parse_secret_key(std::string_view text);

}  // namespace penstock::packet
