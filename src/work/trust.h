// Whose job files a receiver believes: the public keys that it was given, and whether it insists.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "packet/header.h"
#include "packet/signature.h"

namespace penstock::work {

class Trust {
 public:
  struct Settings {
    std::vector<std::string> files;  // of public keys, at least one
    bool is_required = false;        // what is not signed is not believed either
    std::optional<std::string> queue_name;
  };
  // Reads the keys. Throws Error if a file has none, or there is nothing to check signatures with:
  // that is our lack, and no job's.
  explicit Trust(Settings settings);

  // Why nothing that this header says may be acted upon, as a predicate about the file: "is not
  // signed, …". Nothing if it may: it is signed by one whom we trust, or not at all where that is
  // not required.
  std::optional<std::string> objection_to(const packet::HeaderReader& header) const;

  // Whether what is not signed is passed over.
  bool is_required() const { return settings_.is_required; }
  // All that objection_to() depends on besides the header, in a line of text.
  std::string description() const;

  // The file that has this key. Only of one to which there is no objection.
  std::string signer_of(const packet::Signature& signature) const;

 private:
  struct Known {
    packet::PublicKey key;
    std::string file;
  };
  bool is_good(const packet::HeaderReader& header, const Known& known) const;

  Settings settings_;
  std::vector<Known> keys_;
};

}  // namespace penstock::work
