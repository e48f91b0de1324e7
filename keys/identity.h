// Identity: the secret side of a key that opens headers, and, for people with a role, the seed of their signing key.
// Identity files: an age file under a passphrase (scrypt) that holds an age identity file: comment lines, then
// AGE-SECRET-KEY-1...; the signing seed stands in a comment, "# callvault-signing-seed: BASE64", so that stock age
// reads it.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/files.h"
#include "keys/recipient.h"

namespace keys {

class Identity {
 public:
  static base::Result<Identity> generate();                          // with a signing seed
  static base::Result<Identity> from_secret(base::SecretBytes key);  // 32 bytes, without a signing seed (accesses)
  // The text of an identity file, not encrypted. Fault::damaged. Several keys in one file: the first one.
  static base::Result<Identity> parse(const base::SecretBytes& text);
  Identity(Identity&&) noexcept = default;
  Identity& operator=(Identity&&) noexcept = default;

  base::Result<base::SecretBytes> text(
      std::string_view comment) const;  // an identity file, `comment` in its first line
  const Recipient& recipient() const { return recipient_; }
  const base::SecretBytes* signing_seed() const { return seed_.empty() ? nullptr : &seed_; }  // Ed25519 seed, 32 bytes

  // The file key, from the first X25519 stanza that is ours; its MAC is checked.
  // Fault::denied when no stanza is ours, Fault::damaged when the header is not valid.
  base::Result<base::SecretBytes> unwrap(base::ByteView in, const ParsedHeader& parsed) const;
  // For detached headers: exactly kOneX25519Header bytes with one X25519 stanza, else Fault::damaged.
  base::Result<base::SecretBytes> unwrap_one(base::ByteView header) const;

 private:
  Identity(base::SecretBytes key, base::SecretBytes seed, Recipient recipient);
  base::SecretBytes key_;
  base::SecretBytes seed_;
  Recipient recipient_;
};

// The file key of a passphrase-encrypted age file. Fault::denied: wrong passphrase; Fault::damaged: not such a file, or
// a work factor over 20 (refused before memory is taken), or a scrypt stanza beside others.
base::Result<base::SecretBytes> unwrap_with_passphrase(const base::SecretBytes& passphrase, base::ByteView in,
                                                       const ParsedHeader& parsed);

// Opens a whole small age file.
base::Result<base::SecretBytes> open_sealed(const Identity& identity, base::ByteView file);

// Identity files on disk. Reading accepts both an encrypted file (the passphrase is asked for) and a plain one.
using AskPassphrase = std::function<base::Result<base::SecretBytes>()>;
base::Result<base::Bytes> encrypt_identity(const Identity& identity, std::string_view comment,
                                           const base::SecretBytes& passphrase, unsigned log_n = 18);
base::Result<Identity> read_identity(const base::Path& file, const AskPassphrase& ask);

}  // namespace keys
