// Checkpoint: size and root of the audit log at one moment, as a signed note (https://c2sp.org/tlog-checkpoint).
// Three lines: origin, size, base64 of the root. The origin names the log and is the name of the key that signs it.
#pragma once

#include <string>

#include "keys/note.h"
#include "vault/merkle.h"

namespace vault {

struct Checkpoint {
  std::string origin;  // not empty, one line
  TreeHead tree;
  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;

  std::string print() const;
  // Fault::damaged. Extension lines, which the specification allows, are refused: we write none, and every byte that is
  // signed shall have a meaning.
  static base::Result<Checkpoint> parse(std::string_view text);
};

// Fault::usage when the signer's name is not the origin.
base::Result<std::string> sign_checkpoint(const Checkpoint& checkpoint, const keys::NoteSigner& signer);

// Fault::damaged: not a note, a bad signature, not a checkpoint, or of another origin than the key's name.
// Fault::denied: not signed by `key`.
base::Result<Checkpoint> verify_checkpoint(std::string_view note, const keys::NoteVerifier& key);

}  // namespace vault
