#include "work/trust.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "sys/ed25519.h"
#include "sys/files.h"

namespace penstock::work {

Trust::Trust(Settings settings) : settings_(std::move(settings)) {
  sys::require_ed25519();
  for (const std::string& file : settings_.files) {
    const sys::UniqueFd fd = sys::open_input(file);
    const std::string text = sys::read_to_end(fd.get(), packet::kMaxKeyFileBytes, printable(file));
    try {
      for (const packet::PublicKey& key : packet::parse_public_keys(text))
        keys_.push_back({.key = key, .file = file});
    } catch (const Error& error) {
      throw Error(cat(printable(file), " ", error.message()));
    }
  }
}

std::optional<std::string> Trust::objection_to(const packet::HeaderReader& header) const {
  const auto& signature = header.metadata().signature;
  if (!signature) {
    if (!settings_.is_required) return std::nullopt;
    return "is not signed, which --require-signature asks for";
  }
  const std::string id = packet::to_hex(signature->key);
  const bool is_known = std::ranges::any_of(
      keys_, [&](const Known& known) { return known.key.id == signature->key; });
  if (!is_known) return cat("is signed with key ", id, ", which is none of those that are trusted");
  if (std::ranges::none_of(keys_, [&](const Known& known) { return is_good(header, known); }))
    return cat("has a signature that is not good: the header is not the one that key ", id,
               " has signed");
  if (settings_.queue_name && !signature->has_field(cat("queue:", *settings_.queue_name)))
    return cat("is not signed for the queue ", printable(*settings_.queue_name));
  return std::nullopt;
}

std::string Trust::description() const {
  std::string text =
      cat("trust required=", settings_.is_required ? 1 : 0,
          " queue=", settings_.queue_name ? percent_encoded(*settings_.queue_name) : "*");
  for (const Known& known : keys_) {
    text += cat(" ", packet::to_hex(known.key.id), ":");
    for (const uint8_t byte : known.key.key) text += cat(byte, ",");
  }
  return text;
}

// Two keys may have one id by chance or by malice, so each is tried.
bool Trust::is_good(const packet::HeaderReader& header, const Known& known) const {
  const packet::Signature& signature = *header.metadata().signature;
  if (!(known.key.id == signature.key)) return false;
  const auto bytes = sys::as_bytes(header.header_before_signing());
  std::vector<uint8_t> all(signature.of_header.begin(), signature.of_header.end());
  all.insert(all.end(), signature.comment.begin(), signature.comment.end());
  const bool is_of_header =
      signature.kind == packet::Signature::Kind::hashed
          ? sys::is_signed_by(known.key.key, sys::blake2b_512(bytes), signature.of_header)
          : sys::is_signed_by(known.key.key, bytes, signature.of_header);
  return is_of_header && sys::is_signed_by(known.key.key, all, signature.of_comment);
}

std::string Trust::signer_of(const packet::Signature& signature) const {
  const auto known =
      std::ranges::find_if(keys_, [&](const Known& each) { return each.key.id == signature.key; });
  return known == keys_.end() ? std::string() : known->file;
}

}  // namespace penstock::work
