// Note: signed notes of https://c2sp.org/signed-note with Ed25519 keys: text lines, an empty line, signature lines.
// The key name tells who signs; the text's first line tells what it is, and a verifier demands the line it expects.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"

namespace keys {

// "NAME+HASH+BASE64" (verifier key of a signed note), type Ed25519 (1).
class NoteVerifier {
 public:
  static base::Result<NoteVerifier> parse(std::string_view text);  // Fault::damaged
  static base::Result<NoteVerifier> make(std::string_view name, base::ByteView public_key);
  const std::string& name() const { return name_; }
  std::string text() const;
  base::ByteView key() const { return key_; }
  std::uint32_t hash() const { return hash_; }
  friend bool operator==(const NoteVerifier&, const NoteVerifier&) = default;

 private:
  std::string name_;
  base::Bytes key_;
  std::uint32_t hash_ = 0;
};

class NoteSigner {
 public:
  static base::Result<NoteSigner> create(std::string_view name, const base::SecretBytes& seed);  // 32-byte Ed25519 seed
  NoteSigner(NoteSigner&&) noexcept = default;
  NoteSigner& operator=(NoteSigner&&) noexcept = default;
  const NoteVerifier& verifier() const { return verifier_; }
  // `text` ends with a newline and holds no control characters but newlines, else Fault::usage.
  base::Result<std::string> sign(std::string_view text) const;
  // The note with a signature of this key behind those that it has. Fault::damaged: not a note.
  base::Result<std::string> cosign(std::string_view note) const;

 private:
  NoteSigner(NoteVerifier verifier, base::SecretBytes key) : verifier_(std::move(verifier)), key_(std::move(key)) {}
  NoteVerifier verifier_;
  base::SecretBytes key_;
};

// The text of the note when one of `known` signed it and every signature that claims a known key verifies.
// Fault::damaged: not a note, or a bad signature; Fault::denied: signed by nobody known. Unknown extra signatures are
// fine.
struct VerifiedNote {
  std::string text;
  std::string signer;  // name of the known key that signed (the first one)
};
base::Result<VerifiedNote> verify_note(std::string_view note, const std::vector<NoteVerifier>& known);

// Texts of "key: value" lines behind a type line, as statements, records and the roster use them.
// Keys are [a-z0-9-]+; values have no control characters; order is kept and significant.
struct NoteFields {
  std::string type;
  std::vector<std::pair<std::string, std::string>> fields;

  // Fault::damaged unless the first line is `type` and every further line is "key: value".
  static base::Result<NoteFields> parse(std::string_view text, std::string_view type);
  // REQUIRES keys and values as above: the end of the process otherwise, since a newline in a value would forge a
  // field.
  std::string print() const;
  base::Result<std::string> get(std::string_view key) const;  // Fault::damaged when missing or doubled
  std::vector<std::string> all(std::string_view key) const;
};

// A number as our texts print it: decimal digits, no sign, no leading zero, below 2^64; nothing otherwise.
std::optional<std::uint64_t> note_number(std::string_view text);

}  // namespace keys
