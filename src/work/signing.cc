#include "work/signing.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "sys/ed25519.h"
#include "sys/entropy.h"
#include "sys/files.h"

namespace penstock::work {

namespace {

std::string read_file(const std::string& file) {
  const sys::UniqueFd fd = sys::open_input(file);
  return sys::read_to_end(fd.get(), packet::kMaxKeyFileBytes, printable(file));
}

// A new file, removed again unless it is kept.
class NewFile {
 public:
  NewFile(std::string path, mode_t mode)
      : path_(std::move(path)), fd_(sys::open_file(path_, O_WRONLY | O_CREAT | O_EXCL, mode)) {}
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  ~NewFile() {
    if (!is_kept_) ::unlink(path_.c_str());
  }

  void write(const std::string& text) {
    sys::write_all(fd_.get(), text, printable(path_));
    sys::sync_file(fd_.get(), printable(path_));
  }
  void keep() { is_kept_ = true; }

 private:
  std::string path_;
  sys::UniqueFd fd_;
  bool is_kept_ = false;
};

bool has_no_checksum(const packet::SecretKey& key) {
  return std::ranges::all_of(key.checksum, [](uint8_t byte) { return byte == 0; });
}

void check_queue_name(const std::string& name) {
  constexpr size_t kMost = 255;
  if (!is_utf8(name) || has_controls(name) || name.size() > kMost)
    throw Error(cat("--for ", printable(name.substr(0, kMost)),
                    ": a name has no control characters, and at most 255 bytes"));
}

}  // namespace

void make_keys(const std::string& file) {
  if (base_name(file).empty())
    throw Error(cat("keygen '", printable(file), "': a name is missing"));
  const sys::Ed25519Secret secret = sys::make_secret_key();
  packet::SecretKey key{.key = secret};
  sys::fill_random(key.id);
  key.checksum = sys::blake2b_256(key.checked());
  const packet::PublicKey half{.id = key.id, .key = sys::public_part(secret)};
  NewFile secret_file(file + ".key", 0600);
  NewFile public_file(file + ".pub", 0644);
  secret_file.write(packet::secret_key_file(key));
  public_file.write(packet::public_key_file(half));
  secret_file.keep();
  public_file.keep();
}

Signer::Signer(const std::string& key_file, const std::string& queue_name)
    : comment_(cat("timestamp:", Timestamp::now().seconds)) {
  sys::require_ed25519();
  bool is_open_to_others = false;
  try {
    const sys::UniqueFd fd = sys::open_input(key_file);
    key_ = packet::parse_secret_key(
        sys::read_to_end(fd.get(), packet::kMaxKeyFileBytes, printable(key_file)));
    const struct stat status = sys::status_of(fd.get(), printable(key_file));
    is_open_to_others = S_ISREG(status.st_mode) && (status.st_mode & (S_IRWXG | S_IRWXO)) != 0;
  } catch (const Error& error) {
    // What open says names the file already.
    if (error.code()) throw;
    throw Error(cat(printable(key_file), " ", error.message()));
  }
  // minisign gives a key without a password no checksum.
  if (!has_no_checksum(key_) && key_.checksum != sys::blake2b_256(key_.checked()))
    throw Error(cat(printable(key_file), " is damaged: its checksum differs"));
  // Two signatures with one secret and two public halves would give the secret away.
  if (!sys::is_key_pair(key_.key))
    throw Error(cat(printable(key_file), " is damaged: its two halves do not belong together"));
  if (is_open_to_others)
    Log::warn(
        cat(printable(key_file), " is a secret key, and not for its owner alone (chmod 600)"));
  if (queue_name.empty()) return;
  check_queue_name(queue_name);
  comment_ += cat("\tqueue:", queue_name);
}

packet::Signature Signer::sign(const std::string& header) const {
  packet::Signature signature{.key = key_.id, .comment = comment_};
  signature.of_header = sys::sign(sys::blake2b_512(sys::as_bytes(header)), key_.key);
  std::vector<uint8_t> all(signature.of_header.begin(), signature.of_header.end());
  all.insert(all.end(), comment_.begin(), comment_.end());
  signature.of_comment = sys::sign(all, key_.key);
  return signature;
}

std::string Signer::signed_header(packet::Metadata& metadata, packet::SequenceWidth width) const {
  const auto encode = [&] {
    return width == packet::SequenceWidth::fixed ? packet::encode_header_fixed_width(metadata)
                                                 : packet::encode_header(metadata);
  };
  metadata.signature.reset();
  metadata.signature = sign(encode());
  return encode();
}

packet::Signature read_signature(const std::string& file) {
  const std::string text = read_file(file);
  try {
    return packet::parse_signature_file(text);
  } catch (const Error& error) {
    throw Error(cat(printable(file), " ", error.message()));
  }
}

}  // namespace penstock::work
