// The sender's half of signatures: keys, and signing the headers of job files.
#pragma once

#include <string>

#include "packet/header.h"
#include "packet/signature.h"

namespace penstock::work {

// Makes FILE.key (mode 0600) and FILE.pub. Throws Error if one of them is there; then neither is
// made.
void make_keys(const std::string& file);

class Signer {
 public:
  // `queue_name`: the one queue that is to take what is signed; empty for any. Throws Error if the
  // file has no usable key.
  explicit Signer(const std::string& key_file, const std::string& queue_name = {});

  // The same number of bytes for any header.
  packet::Signature sign(const std::string& header) const;

  // The header with its signature. `metadata` gets it, too; one that it has is replaced.
  std::string signed_header(packet::Metadata& metadata, packet::SequenceWidth width) const;

 private:
  packet::SecretKey key_;
  std::string comment_;
};

// A signature that minisign made. Throws Error if the file has none.
packet::Signature read_signature(const std::string& file);

}  // namespace penstock::work
